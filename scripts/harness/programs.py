# SPDX-License-Identifier: GPL-2.0-only
"""Emulated hosts that run the test programs of selftests/, or the suites of kunit/."""
import argparse
import fcntl
import shlex
import subprocess
from pathlib import Path

from harness import ktap
from harness.cli import die, parser, say
from harness.paths import OUT, SCRIPTS
from harness.vm.console import QEMU_ERROR, USAGE


def arguments(doc: str) -> argparse.ArgumentParser:
    """The host that is asked for; what else there is goes to scripts/vm."""
    p = parser(doc)
    p.add_argument("--kernel", default="6.12-4k", help="see kernels.conf (%(default)s)")
    p.add_argument("--machine", default="powernv9", help="see scripts/vm (%(default)s)")
    p.add_argument("--driver", default="ours", choices=("ours", "intree"))
    return p


def vm(kernel: str, log: Path, *more: str | Path, show: bool = False) -> tuple[int, str]:
    """scripts/vm's exit code, and all that the console said. @more: for scripts/vm, of which what
    it says is shown with @show"""
    log.parent.mkdir(parents=True, exist_ok=True)
    # No other run may write it before it has been read.
    with open(f"{log}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run to finish with {log}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([SCRIPTS / "vm", "--kernel", kernel, "--show", "none", "--log", log,
                               *more], stdin=subprocess.DEVNULL,
                              stdout=None if show else subprocess.PIPE,
                              stderr=None if show else subprocess.STDOUT, text=True,
                              errors="replace")
        if done.returncode in (USAGE, QEMU_ERROR) or not log.exists():
            die(done.stdout or f"nothing has run, see {log}")
        return done.returncode, ktap.console(log)


def boot(kernel: str, log: Path, *more: str, tests: str = "",
         show: bool = False) -> tuple[int, str]:
    """The same of a host with two devices, where the programs have run; with @tests, globs with "|"
    between them, only those"""
    asked = ["--env", f"TCE_TEST={shlex.quote(tests)}"] if tests else []
    return vm(kernel, log, "--run", "selftest", "--device", "edu", "--device", "edu",
              "--file", f"{OUT}/{kernel}/selftests:/selftests", *asked, *more, show=show)


def fuzz(kernel: str, log: Path, *more: str, show: bool = False) -> tuple[int, str]:
    """The same of a host with three devices, where the fuzzer has run"""
    return vm(kernel, log, "--run", "fuzz", *["--device", "edu"] * 3,
              "--file", f"{OUT}/{kernel}/selftests/fuzz:/selftests/fuzz", *more, show=show)
