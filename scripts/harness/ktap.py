# SPDX-License-Identifier: GPL-2.0-only
"""KTAP reports in console logs: what they say, and whether it holds. In bash, ktap of lib.sh:

    ktap LOG...                   the skips, the failed tests and the numbers of each log

A log is good when it has at least one passed test, none failed, and every report
in it has as many results as it announced, in order. A skipped test is not a
passed one, and a case that is skipped after one of its expectations has failed is a
failure. Reports of KUnit (nested, with the kernel's time stamps) are read too.

Exit codes: 0 good, 1 not good, 2 wrong usage.

The kernel's kunit.py can't replace this: it reads one report, and a console has one of each
program; a failure in the second is not seen. Without a plan or out of order is good enough for it,
and so is a case that is skipped after an expectation of it has failed.
"""
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness import kernels, skips, sources
from harness.cli import parser, start
from harness.vm.console import FAIL, MEANING

# {test: "pass", "FAIL" or "skip"}
Results = dict[str, str]


STAMP = re.compile(r"^\[ *\d+\.\d+\] ?")
VERSION = re.compile(r"( *)K?TAP version \d+$")
SUBTEST = re.compile(r" *# Subtest: (\S+)$")
PLAN = re.compile(r"( *)1\.\.(\d+)")
RESULT = re.compile(r"( *)(not )?ok (\d+) ?-? ?([^#]*?)(?: *# *(.*))?$")
TOTAL = re.compile(r" *# (\w+): pass:\d+ fail:\d+ skip:\d+ total:(\d+)$")
NOTE = re.compile(r" *# (.*)$")
FAILED = re.compile(r" *# \w+: (?:EXPECTATION|ASSERTION) FAILED at ")

# What scripts/guest/selftest.sh says of each program
STARTED = re.compile(r"^>> running (\w+)", re.M)

# What scripts/guest/lib.sh says where the kernel has kmemleak
KMEMLEAK_READ = ">> objects that kmemleak found: "

# A message of the kernel in the middle of a line of a program, of which the rest follows.
TORN = re.compile(r"(?<=[^\n])\[ *\d+\.\d{6}\] .*\n")


@dataclass
class Report:
    """One plan and its results; nested reports are children of a result."""
    indent: int
    name: str = ""
    plan: int | None = None
    count: int = 0


class Reader:
    """Reads line by line."""

    def __init__(self) -> None:
        self.results: Results = {}
        self.reasons: dict[str, str] = {}   # {test that is skipped or has failed: why}
        self.errors: list[str] = []
        self.stack: list[Report] = []       # from the outermost to the innermost
        self.nested = False                 # the next result sums up a report just closed
        self.failed = False                 # so has an expectation since the last result
        self.notes: list[str] = []          # what was said since then
        self.details: dict[str, str] = {}   # {test that has failed: the last of what it said}

    def close(self, indent: int) -> None:
        """The reports end that are indented so far."""
        while self.stack and self.stack[-1].indent >= indent:
            report = self.stack.pop()
            self.nested = True
            # Neither has a case with one parameter.
            plan = 1 if report.plan is None and len(self.stack) == 2 else report.plan
            if plan is None:
                self.errors.append("a report has no plan")
            elif report.count != plan:
                self.errors.append(f"{plan} results were announced, {report.count} came")

    def line(self, line: str) -> None:
        if m := VERSION.match(line):
            self.close(len(m[1]))
            self.stack.append(Report(len(m[1])))
            self.nested = False
        elif not self.stack:
            return
        elif m := NOTE.match(line):
            self.notes.append(m[1])
            self.comment(line)
        elif m := PLAN.match(line):
            if self.stack[-1].indent == len(m[1]):
                self.stack[-1].plan = int(m[2])
        elif m := RESULT.match(line):
            self.close(len(m[1]) + 1)
            if self.stack and self.stack[-1].indent == len(m[1]):
                self.result(self.stack[-1], m)
                self.notes = []
        elif self.failed:       # what was expected
            self.notes.append(line.strip())

    def comment(self, line: str) -> None:
        if m := SUBTEST.match(line):
            self.stack[-1].name = m[1]
        elif m := TOTAL.match(line):
            # All that says how many parameters a case has.
            if self.stack[-1].plan is None and self.stack[-1].name == m[1]:
                self.stack[-1].plan = int(m[2])
        elif FAILED.match(line):
            self.failed = True

    def result(self, report: Report, m: re.Match[str]) -> None:
        report.count += 1
        if int(m[3]) != report.count:
            self.errors.append(f"result {m[3]} came as number {report.count}: {m[4]}")
        skipped = (m[5] or "").upper().startswith("SKIP")
        state = "FAIL" if m[2] else "skip" if skipped else "pass"
        name = m[4] or f"test {m[3]}"
        names = [r.name for r in self.stack if r.name]
        name = f"{'.'.join(names)}{': ' if len(names) > 1 else '.'}{name}" if names else name
        if self.failed and state != "FAIL":
            self.errors.append("an expectation failed, and then it was "
                               f"{'skipped' if skipped else 'good'}: {name}")
        self.failed = False
        if self.nested:
            # A suite: its tests were counted. It may fail for a reason of its own.
            if state == "FAIL" and "FAIL" not in self.results.values():
                self.results[name], self.reasons[name] = state, m[5] or ""
            self.nested = False
            return
        if name in self.results:    # the same test by another user or round
            name = f"{name} ({sum(n.startswith(name) for n in self.results) + 1})"
        self.results[name] = state
        if state != "pass":
            self.reasons[name] = re.sub(r"^SKIP *", "", m[5] or "", flags=re.I)
        if state == "FAIL":
            self.details[name] = "; ".join(filter(None, [*self.notes[-6:], self.reasons[name]]))


def script_part(text: str) -> str:
    """The part of a console log that counts: to the end of the guest script. The kernel's log
    follows, with all once more."""
    return TORN.sub("", text.split("\nVM-END")[0])


def read(text: str) -> Reader:
    """What a console log says, or any other text with reports"""
    reader = Reader()
    for line in script_part(text).splitlines():
        reader.line(STAMP.sub("", line.rstrip()))
    reader.close(0)
    if not reader.results:
        here = len(re.findall(r"^.*\bok \d+ ", text, re.M))
        reader.errors.append(f"there is no report, and on the console {here} results")
    return reader


def console(log: str | Path) -> str:
    return Path(log).read_text(encoding="utf-8", errors="replace")


def count(results: Results, state: str) -> int:
    return sum(r == state for r in results.values())


def name_of(test: str) -> str:
    """The name of a program's test, whoever has run it, and however often."""
    return re.sub(r"^user: | \(\d+\)$", "", test)


def judge(text: str, wanted: Iterable[str] = (), host: skips.Host | None = None,
          code: int = 0) -> tuple[Reader, list[str]]:
    """(what a console log says, all that is wrong with it). @wanted: tests, or cases, that must
    have a result; @host: which may not skip all; @code: of scripts/vm"""
    reader, faults = read(text), []
    for test, state in reader.results.items():
        if state == "FAIL":
            details = reader.details.get(test)      # a suite has none
            faults.append(f"not ok: {test}" + (f" ({details})" if details else ""))
    faults += [f"broken report: {error}" for error in reader.errors]
    have = {name for test in reader.results for name in (name_of(test), test.split(": ")[0])}
    if missing := [name for name in wanted if name not in have]:
        faults.append(f"no result of {', '.join(missing[:5])}"
                      + f" and {len(missing) - 5} more" * (len(missing) > 5))
    if host:
        faults += skips.unexpected(host, {test: reason for test, reason in reader.reasons.items()
                                          if reader.results[test] == "skip"})
        if "kmemleak" in kernels.fragments(host.kernel) and KMEMLEAK_READ not in text:
            faults.append("nobody has looked for lost memory")
    if code and (code != FAIL or not faults):
        faults.append(MEANING[code] if 0 < code < len(MEANING) else f"scripts/vm failed ({code})")
    if "pass" not in reader.results.values():
        faults.append("no test passed"
                      + ": none has such a name" * ("1..0 # SKIP no such rows" in text))
    return reader, faults


def wanted_of(text: str, glob: str) -> list[str]:
    """The tests that the sources list, of the programs that a guest has started, which are to be
    run there. @text: its console"""
    started = set(STARTED.findall(script_part(text)))
    return sorted(test for test in sources.tests() if test.split(": ")[0] in started
                  and any(fnmatchcase(test, pattern) for pattern in glob.split("|")))


def report(name: str, reader: Reader, faults: list[str]) -> bool:
    """Prints what judge() has found; returns whether it is good."""
    for reason, n in Counter(reader.reasons[test] for test, state in reader.results.items()
                             if state == "skip").most_common():
        print(f"   skipped: {n} x {reason}")
    for text in faults:
        print(f"   {text}")
    print(f">> {name}: {count(reader.results, 'pass')} passed, {len(faults)} failed, "
          f"{count(reader.results, 'skip')} skipped")
    return not faults


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("log", nargs="+")
    logs = p.parse_args().log
    return 0 if all([report(Path(log).stem, *judge(console(log))) for log in logs]) else 1


if __name__ == "__main__":
    start(main, __doc__)
