# SPDX-License-Identifier: GPL-2.0-only
"""Run steps, and count what they say."""
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping

from tce.check.rows import judge_rows
from tce.paths import OUT, ROOT, SCRIPTS

LOGS = OUT / "check"


# What tells why a step failed, wherever in its output: the last lines may be a table that is all good.
WHY = re.compile(r"^\s*not ok |^!! |: MISSED$|: NO FIGURE$|\bFAILED\b|^(\S+: )?[Ee]rror\b")
LAST = 15


# The last line of scripts/ktap; a step that prints it counts for so many.
TESTS = re.compile(r"^>> .*: (\d+) passed, (\d+) failed, (\d+) skipped(?:, (\d+) missed)?$", re.M)


def reasons(said: list[str]) -> list[str]:
    """What to show of a step that failed: the lines that say why, and the last ones."""
    first, last = said[:-LAST], said[-LAST:]
    return [line for line in first if WHY.search(line)][:LAST] + last


class Check:
    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = self.missed = 0
        self.computed = 0.0     # seconds of CPUs
        self.said: dict[str, str] = {}      # {step: how its tests went}
        self.lock = threading.Lock()

    def count(self, output: str, good: bool) -> tuple[bool, str]:
        """Count what a step said: (is it good, what it was)"""
        counts = [int(n or 0) for n in (TESTS.findall(output) or [("0",) * 4])[-1]]
        if not any(counts):
            counts = [int(good), int(not good), 0, 0]
        elif not good and not counts[1]:
            counts[1] = 1       # the tests passed, the kernel or the run did not
        good = bool(good and not counts[1] and counts[0])
        if not good and not counts[1]:
            counts[1] = 1       # all of it was skipped
        self.passed += counts[0]
        self.failed += counts[1]
        self.skipped += counts[2]
        self.missed += counts[3]
        detail = f" ({counts[0]} tests, {counts[2]} skipped{f', {counts[3]} missed' * bool(counts[3])})"
        return good, detail if sum(counts) > 1 else ""

    def rows(self, reports: Iterable[str], skips: Mapping[str, str]) -> None:
        """All test programs have run: what was skipped everywhere?"""
        wrong = judge_rows(reports, skips)
        for text in wrong:
            print(f"FAIL          {text}")
        self.failed += len(wrong)
        self.passed += not wrong

    def summary(self, seconds: float) -> str:
        """The last lines."""
        return (f"{seconds:.0f} s, {self.computed:.0f} of CPUs, {self.skipped} tests skipped, {self.missed} goals missed\n"
                f"{self.passed} passed, {self.failed} failed")

    def step(self, name: str, command: list[str], silent: bool) -> None:
        print(f"...           {name}", flush=True)
        log = LOGS / (re.sub(r"[^\w.-]+", "-", name) + ".log")
        start = time.monotonic()
        with open(log, "w", encoding="utf-8") as out:
            # Through env: a script that is missing fails its step, not all of this.
            child = subprocess.Popen(["env", SCRIPTS / command[0], *command[1:]], stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT)
            _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        took, computed = time.monotonic() - start, used.ru_utime + used.ru_stime
        printed = log.read_text(encoding="utf-8", errors="replace")
        log.with_suffix(".seconds").write_text(f"{took:.0f}\n")     # for scripts/docs
        # ">>" is what the scripts themselves say, and a path is their result.
        said = [line for line in printed.splitlines() if not line.startswith((">> ", str(ROOT)))]
        good = child.returncode == 0 and not (silent and said)
        with self.lock:
            good, detail = self.count(printed, good)
            self.said[name] = detail if good else "failed"
            self.computed += computed
            print(f"{'ok  ' if good else 'FAIL'} {took:5.0f} s  {name}{detail}, {computed:.0f} s of a CPU", flush=True)
            if good:
                for line in said:
                    if line.startswith("note: "):
                        print(f"         {line}")
            else:
                for line in reasons(said):
                    print(f"         {line}")
                print(f"         (all of it: {log.relative_to(ROOT)})", flush=True)
