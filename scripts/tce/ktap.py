# SPDX-License-Identifier: GPL-2.0-only
"""KTAP reports in console logs: what they say, and whether it holds.

The kernel's kunit.py can't replace this: it reads one report, and a console has one of each
program; a failure in the second is not seen. Without a plan or out of order is good enough for it.
"""
import re
import sys
from pathlib import Path

# {test: "pass", "FAIL" or "skip"}
Results = dict[str, str]


STAMP = re.compile(r"^\[ *\d+\.\d+\] ?")
VERSION = re.compile(r"( *)K?TAP version \d+$")
PLAN = re.compile(r"( *)1\.\.(\d+)")
RESULT = re.compile(r"( *)(not )?ok (\d+) ?-? ?([^#]*?)(?: *# *(.*))?$")

# A message of the kernel in the middle of a line, of which the rest follows.
TORN = re.compile(r"(?<=[^\n])\[ *\d+\.\d{6}\] .*\n")

# The same of the firmware, which speaks into the kernel's lines as well.
FIRMWARE = re.compile(r"\[ *\d+\.\d{9},\d\] .*\n")


def mend(text: str) -> str:
    """Console output with the lines of programs as they were before the kernel and the firmware spoke into them."""
    return TORN.sub("", FIRMWARE.sub("", text))


class Report:
    """One plan and its results; nested reports are children of a result."""

    def __init__(self, indent: int) -> None:
        self.indent = indent
        self.plan: int | None = None
        self.count = 0


def parse(text: str) -> tuple[Results, list[str]]:
    """Returns (results, [what is wrong with the reports])."""
    results: Results = {}
    wrong: list[str] = []
    open_reports: list[Report] = []       # from the outermost to the innermost
    nested = False          # the next result sums up a report just closed

    def close(indent: int) -> None:
        nonlocal nested
        while open_reports and open_reports[-1].indent >= indent:
            report = open_reports.pop()
            nested = True
            if report.plan is None:
                wrong.append("a report has no plan")
            elif report.count != report.plan:
                wrong.append(f"{report.plan} results were announced, {report.count} came")

    for line in text.splitlines():
        line = STAMP.sub("", line.rstrip())
        if m := VERSION.match(line):
            close(len(m[1]))
            open_reports.append(Report(len(m[1])))
            nested = False
        elif not open_reports:
            continue
        elif m := PLAN.match(line):
            if open_reports[-1].indent == len(m[1]):
                open_reports[-1].plan = int(m[2])
        elif m := RESULT.match(line):
            close(len(m[1]) + 1)
            if not open_reports or open_reports[-1].indent != len(m[1]):
                continue
            report = open_reports[-1]
            report.count += 1
            if int(m[3]) != report.count:
                wrong.append(f"result {m[3]} came as number {report.count}: {m[4]}")
            directive = (m[5] or "").upper()
            state = "FAIL" if m[2] else "skip" if directive.startswith("SKIP") else "pass"
            if nested:
                # A suite: its tests were counted. It may fail for a reason of its own.
                if state == "FAIL" and "FAIL" not in results.values():
                    results[m[4]] = state
                nested = False
                continue
            name = m[4] or f"test {m[3]}"
            if name in results:     # the same test by another user or round
                name = f"{name} ({sum(n.startswith(name) for n in results) + 1})"
            results[name] = state
    close(0)
    if not open_reports and not results:
        wrong.append("there is no report")
    return results, wrong


def script_output(log: str | Path) -> str:
    """The part of a console log that counts: from the start of the guest script."""
    text = Path(log).read_text(encoding="utf-8", errors="replace")
    return mend(text[max(text.find("\nVM-START"), 0):])


def count(results: Results, state: str) -> int:
    return sum(r == state for r in results.values())


def summary(log: str) -> bool:
    """Prints what a log says; returns whether it is good."""
    results, wrong = parse(script_output(log))
    for name, state in results.items():
        if state == "FAIL":
            print(f"   not ok: {name}")
    for text in wrong:
        print(f"   broken report: {text}")
    passed, failed, skipped = (count(results, s) for s in ("pass", "FAIL", "skip"))
    print(f">> {Path(log).stem}: {passed} passed, {failed + len(wrong)} failed, {skipped} skipped")
    return bool(passed and not failed and not wrong)


def compare(log_a: str, log_b: str) -> None:
    (a, wrong_a), (b, wrong_b) = (parse(script_output(log)) for log in (log_a, log_b))
    names = [*a, *(n for n in b if n not in a)]
    differ = [n for n in names if a.get(n) != b.get(n)]
    heads = [Path(log).stem for log in (log_a, log_b)]
    # Columns are named after what differs between the names of the logs.
    words = [set(h.split("-")) for h in heads]
    heads = ["-".join(w for w in h.split("-") if w in own - other) or h
             for h, own, other in zip(heads, words, reversed(words))]
    width = max([len(n) for n in differ] + [20])
    print(f"{'':{width}}  {heads[0]:>8}  {heads[1]:>8}")
    for n in differ:
        print(f"{n:{width}}  {a.get(n, '-'):>8}  {b.get(n, '-'):>8}")
    for state in ("pass", "FAIL", "skip"):
        print(f"{'in all: ' + state:{width}}  {count(a, state):>8}  {count(b, state):>8}")
    if wrong_a or wrong_b:
        print(f"{'broken reports':{width}}  {len(wrong_a):>8}  {len(wrong_b):>8}")


def main(doc: str) -> int:
    argv = sys.argv[1:]
    if argv[:1] == ["--compare"] and len(argv) == 3:
        compare(argv[1], argv[2])
        return 0
    if not argv or argv[0].startswith("-"):
        print(doc, file=sys.stderr)
        return 2
    return 0 if all([summary(log) for log in argv]) else 1
