# SPDX-License-Identifier: GPL-2.0-only
"""Run steps, and count what they say."""
import collections
import os
import re
import subprocess
import threading
import time

from tce import ktap, paths, results
from tce.paths import OUT, ROOT, SCRIPTS

LOGS = OUT / "check"

# What tells why a step failed, wherever in its output: the last lines may be a table that is all good.
WHY = re.compile(r"^\s*not ok |^!! |: MISSED$|: NO FIGURE$|\bFAILED\b|^(\S+: )?[Ee]rror\b")
LAST = 15

# The last line of scripts/ktap; a step that prints it counts for so many.
TESTS = re.compile(r"^>> .*: (\d+) passed, (\d+) failed, (\d+) skipped$", re.M)

# The last line and the exit code of a step that could not look.
SKIPPED = re.compile(r"^skipped: (.*)\n?\Z", re.M)
SKIP = 4


def reasons(said: list[str]) -> list[str]:
    """What to show of a step that failed: the lines that say why, and the last ones."""
    first, last = said[:-LAST], said[-LAST:]
    return [line for line in first if WHY.search(line)][:LAST] + last


class Tests:
    """Tests that several hosts run, of which each counts once."""

    def __init__(self) -> None:
        self.hosts = 0
        self.states: dict[str, set[str]] = {}

    def add(self, states: dict[str, set[str]]) -> None:
        self.hosts += 1
        for name, seen in states.items():
            self.states.setdefault(name, set()).update(seen)

    def count(self, *wanted: str) -> int:
        """How many have failed ("FAIL"), or passed and nowhere failed ("pass"), or neither ("skip")."""
        return sum(next(s for s in ("FAIL", "pass", "skip") if s in seen) in wanted for seen in self.states.values())

    def nowhere(self) -> list[str]:
        return sorted(name for name, seen in self.states.items() if seen == {"skip"})


class Check:
    def __init__(self) -> None:
        self.rows, self.cases = Tests(), Tests()    # of the test programs, and of KUnit
        self.passed = self.failed = 0     # of all else
        self.skipped: collections.Counter[str] = collections.Counter()     # {reason: how many}
        self.blind: list[str] = []      # the steps that could not look
        self.computed = 0.0     # seconds of CPUs
        self.said: dict[str, str] = {}      # {step: how its tests went}
        self.lock = threading.Lock()

    def tests(self, command: list[str]) -> bool:
        """Count what test programs or suites have said on one host, if that is what the step has run: did one fail?"""
        options = dict(zip(command, command[1:]))
        name = "-".join((command[0], options.get("--kernel", ""), options.get("--machine", "")))
        log = paths.LOGS / f"{name}{'-ours' * (command[0] == 'selftest')}.log"
        reader = ktap.read(ktap.script_output(log))
        states: dict[str, set[str]] = {}
        for test, state in reader.results.items():
            # whoever ran it, and however often; of a case all parameters
            test = re.sub(r"^user: | \(\d+\)$", "", test) if command[0] == "selftest" else test.split(": ")[0]
            states.setdefault(test, set()).add(state)
        (self.rows if command[0] == "selftest" else self.cases).add(states)
        self.skipped.update(reader.reasons.values())
        return "FAIL" in reader.results.values()

    def count(self, name: str, command: list[str], output: str, good: bool) -> tuple[bool, str]:
        """Count what a step said: (is it good, what it was)"""
        found = TESTS.findall(output)
        passed, failed, skipped = (int(n) for n in (found or [("0",) * 3])[-1])
        good = good and not failed and bool(passed or not found)
        if found and command[0] in ("selftest", "kunit"):
            # What no test stands for, such as a complaint of the kernel, is a failure of its own.
            self.failed += not self.tests(command) and not good
        else:
            self.passed += passed if found else good
            self.failed += max(failed, not good)
            if skipped:
                self.skipped[f"in {name}"] += skipped
        return good, f" ({passed} tests, {skipped} skipped)" if found else ""

    def totals(self) -> tuple[int, int]:
        """How many passed, and how many failed."""
        return (self.passed + self.rows.count("pass") + self.cases.count("pass"),
                self.failed + self.rows.count("FAIL") + self.cases.count("FAIL"))

    def figures(self) -> results.Figures:
        """For tce.results."""
        passed, failed = self.totals()
        return {"passed": passed, "failed": failed,
                "tests": self.rows.count("pass", "FAIL"), "hosts": self.rows.hosts, "KUnit cases": self.cases.count("pass", "FAIL"),
                "other checks": self.passed + self.failed,
                "Steps": [("step", "how it went"), *self.said.items()],
                "Skipped": [("tests", "why"), *((n, reason) for reason, n in self.skipped.most_common())]}

    def summary(self, seconds: float) -> str:
        """The last lines."""
        by_reason = ", ".join(f"{n} x {reason}" for reason, n in self.skipped.most_common())
        return "\n".join([
            f"{seconds:.0f} s, {self.computed:.0f} of CPUs",
            f"{self.rows.count('pass', 'FAIL')} tests on {self.rows.hosts} hosts, {self.cases.count('pass', 'FAIL')} KUnit cases on"
            f" {self.cases.hosts}, {self.passed + self.failed} other checks,"
            f" {self.skipped.total()} skipped{f' (by reason: {by_reason})' * bool(by_reason)}",
            *(f"skipped everywhere: {name}" for name in self.rows.nowhere() + self.cases.nowhere()),
            *(f"could not look: {text}" for text in self.blind),
            "{} passed, {} failed".format(*self.totals())])

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
        blind = SKIPPED.search(printed) if child.returncode == SKIP else None
        with self.lock:
            self.computed += computed
            if blind:
                self.blind.append(f"{name}: {blind[1]}")
                word, detail, shown = "skip", f": {blind[1]}", []
            else:
                good, detail = self.count(name, command, printed, child.returncode == 0 and not (silent and said))
                word = "ok  " if good else "FAIL"
                shown = [line for line in said if line.startswith("note: ")] if good else reasons(said)
                if not good:
                    shown.append(f"(all of it: {log.relative_to(ROOT)})")
            self.said[name] = "failed" if word == "FAIL" else detail.strip(" :()") or "good"
            print("\n         ".join((f"{word} {took:5.0f} s  {name}{detail}, {computed:.0f} s of a CPU", *shown)), flush=True)
