# SPDX-License-Identifier: GPL-2.0-only
"""What a boot with the suites has reported, and whether it holds. The kernel's own kunit.py reads it."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tce import ktap
from tce.kunit.cases import Wanted
from tce.kunit.races import only_races_of_the_kernel
from tce.paths import LOGS

# {suite: {case: [result of each parameter]}}
Suites = dict[str, dict[str, list[str]]]


# What scripts/guest/kunit.sh says then
BUILT_IN = ">> the suites are built in, and have run"
STAMP = re.compile(r"^\[ *\d+\.\d+\] ?", re.M)


def said(log: str | Path) -> str:
    """What the guest said while the suites ran. Built-in ones run before its script."""
    text = ktap.FIRMWARE.sub("", Path(log).read_text(encoding="utf-8", errors="replace"))
    start = 0 if f"\n{BUILT_IN}\n" in text else text.find("\nVM-START")
    end = text.find("\nVM-END", start)
    return text[start:end] if start >= 0 else ""


def parse(log: str | Path, source: Path) -> tuple[bool, Suites]:
    """Let kunit.py judge a log: (is it good, {suite: {case: [results]}}).

    Its exit code is 0 though a line is missing; that it only says.
    """
    report = Path(log).with_suffix(".report")
    report.write_text(said(log))
    result = Path(log).with_suffix(".json")
    result.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, source / "tools/testing/kunit/kunit.py", "parse",
                           f"--json={result}", report], cwd=source, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    report.with_suffix(".parsed").write_text(done.stdout)
    return done.returncode == 0 and "[ERROR]" not in done.stdout, results(log)


def log_of(name: str, machine: str) -> Path:
    return LOGS / f"kunit-{name}-{machine}.log"


def results(log: str | Path) -> Suites:
    """What kunit.py has found, for which it has written LOG.json: {suite: {case: [results]}}"""
    result = Path(log).with_suffix(".json")
    suites: Suites = {}
    if result.exists():
        for group in json.loads(result.read_text())["sub_groups"]:
            cases = suites.setdefault(group["name"], {})
            for case in group["test_cases"]:
                cases[case["name"]] = [case["status"]]
            for case in group["sub_groups"]:
                cases[case["name"]] = [c["status"] for c in case["test_cases"]]
    return suites


def skips(log: str | Path) -> dict[str, int]:
    """Why cases were skipped: {reason: how often}."""
    reasons: dict[str, int] = {}
    for reason in re.findall(r"^ *ok \d+ \S.*?# SKIP (.*)$", STAMP.sub("", said(log)), re.M):
        reasons[reason] = reasons.get(reason, 0) + 1
    return reasons


def skipped_cases(suites: Suites) -> list[str]:
    """Those of which nothing has run: ["suite.case"]"""
    return [f"{suite}.{case}" for suite, cases in suites.items() for case, results in cases.items()
            if results and set(results) == {"SKIP"}]


def judge(log: str | Path, code: int, source: Path, wanted: Wanted, allowed: dict[str, str]) -> tuple[list[str], Suites]:
    """All that is wrong with a run, as a list, and its results. @allowed: see allowed_skips()."""
    good, suites = parse(log, source)
    wrong = []
    if code and not (code == 3 and only_races_of_the_kernel(Path(log).read_text(encoding="utf-8", errors="replace"))):
        wrong.append({3: "the kernel complained", 4: "time limit"}.get(code, f"vm failed ({code})"))
    if not good:
        wrong.append("kunit.py found faults")
    return wrong + weigh(suites, wanted, allowed), suites


def weigh(suites: Suites, wanted: Wanted, allowed: dict[str, str]) -> list[str]:
    """All that is wrong with the results of cases, as a list. @allowed: see allowed_skips()."""
    wrong = []
    results = [r for cases in suites.values() for case in cases.values() for r in case]
    if "PASS" not in results:
        wrong.append("not one case passed")
    if any(r not in ("PASS", "SKIP") for r in results):
        wrong.append("not all cases passed")
    skipped = skipped_cases(suites)
    wrong += [f"{case}: all of it is skipped, for no reason in kunit.skips" for case in skipped if case not in allowed]
    wrong += [f"{case}: has run, but kunit.skips says that it can't: {why}" for case, why in allowed.items()
              if suites.get(case.split(".")[0], {}).get(case.split(".")[1]) and case not in skipped]
    for suite, cases in wanted.items():
        have = suites.get(suite, {})
        missing = [c for c in cases if not have.get(c)]
        if cases and missing == cases:
            wrong.append(f"{suite}: no result at all")
        elif missing:
            wrong.append(f"{suite}: no result of {', '.join(missing)}")
    return wrong


def tell(log: str | Path) -> None:
    """The failed cases, with their messages."""
    lines = STAMP.sub("", said(log)).splitlines()
    for at, line in enumerate(lines):
        if re.match(r" +not ok ", line):
            start = at
            while start and not re.match(r" *(not )?ok |.*# Subtest", lines[start - 1]):
                start -= 1
            print("\n".join(lines[max(start, at - 12):at + 1]))
