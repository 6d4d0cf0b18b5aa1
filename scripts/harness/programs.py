# SPDX-License-Identifier: GPL-2.0-only
"""The test programs of selftests/ on a host of one's own choice, or with a module that is wrong on
purpose: what the checks of nightly/ have in common."""
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from harness import kernels, ktap, module
from harness.cli import die
from harness.paths import OUT, SCRIPTS
from harness.vm.console import QEMU_ERROR, USAGE


def build(kernel: kernels.Kernel, place: Path, *change: str) -> Path:
    """The module, in a place of its own. @change: a file, and what module.changed() makes of it"""
    module.copy(place)
    if change:
        file = place / change[0]
        file.write_text(module.changed(file.read_text(), *change[1:]))
    kernels.build_modules(kernel, place)
    return place / module.KO


def only(rows: Iterable[str]) -> list[str]:
    """For scripts/vm: run these rows alone. The programs match their names, which have no "user: "
    in front, by patterns; what would be special in one matches any character."""
    globs = "|".join("*" + re.sub(r"['\[\]*?\\]", "?", row.removeprefix("user: ")) for row in rows)
    return ["--env", f"TCE_TEST='{globs}'"]


def boot(kernel: str, log: Path, *more: str) -> tuple[int, str]:
    """scripts/vm's exit code, and all that the console said. @more: for scripts/vm"""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    done = subprocess.run([SCRIPTS / "vm", "--kernel", kernel, "--run", "selftest",
                           "--device", "edu", "--device", "edu",
                           "--file", f"{OUT}/{kernel}/selftests:/selftests",
                           "--show", "none", "--log", log, *more],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode in (USAGE, QEMU_ERROR) or not log.exists():
        die(done.stdout)
    return done.returncode, ktap.console(log)
