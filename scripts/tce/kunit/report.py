# SPDX-License-Identifier: GPL-2.0-only
"""What a boot with the suites has reported, and whether it holds."""
import re
from collections.abc import Iterable
from pathlib import Path

from tce import ktap
from tce.kunit.races import only_races_of_the_kernel
from tce.paths import LOGS

# {"suite.case": [result of each parameter]}
Cases = dict[str, list[str]]

# What scripts/guest/kunit.sh says then
BUILT_IN = ">> the suites are built in, and have run"
STAMP = re.compile(r"^\[ *\d+\.\d+\] ?", re.M)


def said(log: str | Path) -> str:
    """What the guest said while the suites ran. Built-in ones run before its script."""
    text = ktap.console(log)
    return ktap.mend(text.split("\nVM-END")[0]) if f"\n{BUILT_IN}\n" in text else ktap.script_output(log)


def log_of(name: str, machine: str) -> Path:
    return LOGS / f"kunit-{name}-{machine}.log"


def by_case(results: ktap.Results) -> Cases:
    cases: Cases = {}
    for name, result in results.items():
        cases.setdefault(name.split(": ")[0], []).append(result)
    return cases


def judge(log: str | Path, code: int, wanted: Iterable[str]) -> tuple[list[str], ktap.Reader]:
    """All that is wrong with a run, as a list, and its results."""
    reader = ktap.read(said(log))
    wrong = []
    if code and not (code == 3 and only_races_of_the_kernel(ktap.console(log))):
        wrong.append({3: "the kernel complained", 4: "time limit"}.get(code, f"vm failed ({code})"))
    return wrong + weigh(reader, wanted) + ktap.judge_skips(log, reader), reader


def weigh(reader: ktap.Reader, wanted: Iterable[str]) -> list[str]:
    """All that is wrong with the results of cases, as a list."""
    wrong = list(reader.wrong)
    if "pass" not in reader.results.values():
        wrong.append("not one case passed")
    wrong += [f"{name} failed" for name, result in reader.results.items() if result == "FAIL"]
    have = by_case(reader.results)
    return wrong + [f"no result of {name}" for name in wanted if name not in have]


def tell(log: str | Path) -> None:
    """The failed cases, with their messages."""
    lines = STAMP.sub("", said(log)).splitlines()
    for at, line in enumerate(lines):
        if re.match(r" +not ok ", line):
            start = at
            while start and not re.match(r" *(not )?ok |.*# Subtest", lines[start - 1]):
                start -= 1
            print("\n".join(lines[max(start, at - 12):at + 1]))
