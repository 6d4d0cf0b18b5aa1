# SPDX-License-Identifier: GPL-2.0-only
"""Modules with a fault, built one after the other, and booted."""
import re
import subprocess
from collections import Counter
from pathlib import Path

from tce import kernels, module, paths
from tce.cli import die, output
from tce.kunit import build as suites
from tce.mutation.mutants import Mutant
from tce.paths import LOGS, ROOT, SCRIPTS
from tce.vm.console import MEANING, NO_VERDICT, QEMU_ERROR, SPLAT, SPLATS, TIMEOUT, USAGE

OUT = paths.OUT / "mutation"
KERNEL = "gcov-4k"
SUITES = f"{module.SUITES}.ko"
# What is run, where, and how. pseries starts quickly and has huge pages; there is DMA on the other.
STAGES = {"kunit": ("pseries", ["--file", f"{{0}}/{SUITES}:/kunit/{SUITES}", "--mem", "3G", "--env", "TCE_BRIEF=1",
                                "--append", "kunit.enable=1 panic_on_warn=1"]),
          "selftest": ("powernv9", ["--file", "{1}:/selftests", "--device", "edu", "--device", "edu", "--env", "TCE_USERS=root",
                                    "--append", "panic_on_warn=1"])}


class Builder:
    """A directory in which the module is built, and then once more for each mutant."""

    def __init__(self, number: int) -> None:
        self.kernel = kernels.env(KERNEL)
        self.dir = suites.build(KERNEL, self.kernel, out=OUT / f"build{number}")
        self.changed = ""
        self.good = self.objects()

    def objects(self) -> list[bytes]:
        return [(self.dir / name).read_bytes() for name in module.OBJECTS.values()]

    def build(self, mutant: Mutant, to: Path) -> bool:
        """Build the modules of a mutant; returns whether it compiles, to other code."""
        if self.changed:
            (self.dir / self.changed).write_bytes((ROOT / self.changed).read_bytes())
        self.changed = mutant.file
        (self.dir / mutant.file).write_text(mutant.text)
        done = subprocess.run(kernels.make(self.kernel, self.dir, "TCE_KUNIT=1"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode or self.objects() == self.good:
            return False
        self.keep(to)
        return True

    def keep(self, to: Path) -> None:
        """Keep the modules as they are now."""
        to.mkdir(parents=True, exist_ok=True)
        for name in (module.KO, SUITES):
            subprocess.run([f"{self.kernel['CROSS_COMPILE']}strip", "-g", self.dir / name, "-o", to / name], check=True)


def passed(text: str) -> Counter[str]:
    """The tests that a console says have passed."""
    return Counter(name for name, more in re.findall(r"^(?:\[ *\d+\.\d+\])? *ok \d+ -? ?([^#\n]*[^#\s])(.*)$", text, re.M)
                   if "SKIP" not in more)


def why(code: int, text: str, good: Counter[str]) -> str:
    """What has caught a mutant, if anything has. @good: what passes with the unmodified module"""
    failed = re.search(r"^(?:\[ *\d+\.\d+\])? *not ok \d+ -? ?(.*?)(?: *#.*)?$", text, re.M)
    if failed:
        return failed[1]
    if code == SPLAT:
        return next((line for line in text.splitlines() if SPLATS.search(line)), MEANING[code])
    if missing := good - passed(text):
        return f"{sorted(missing)[0]} does not pass{f' ({MEANING[code]})' * bool(code)}"
    return MEANING[code] * bool(code)


def boot(what: str, modules: Path, name: str) -> tuple[int, str]:
    """Run the suites or the test programs; returns scripts/vm's exit code and what the console said."""
    machine, more = STAGES[what]
    programs = output("build-selftests", KERNEL)
    log = LOGS / f"mutation-{name}-{what}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    for final in (False, True):
        done = subprocess.run([SCRIPTS / "vm", "--kernel", KERNEL, "--machine", machine, "--run", what, "--ko", modules / module.KO,
                               "--log", log, "--show", "none", "--timeout", "1800", "--stall", "120",
                               *(option.format(modules, programs) for option in more)], stdout=subprocess.PIPE, text=True)
        if done.returncode == USAGE:
            die(done.stdout)
        if final or done.returncode not in (TIMEOUT, NO_VERDICT, QEMU_ERROR):
            break
    return done.returncode, log.read_text(encoding="utf-8", errors="replace")


def attempt(modules: Path, name: str, good: dict[str, Counter[str]]) -> str:
    """What has caught these modules, if anything has. @good: see why(); what is missing there is added."""
    for what in STAGES:
        code, text = boot(what, modules, name)
        if found := why(code, text, good.setdefault(what, passed(text))):
            return f"{what}: {found}"
    return ""
