# SPDX-License-Identifier: GPL-2.0-only
"""Let herd7 try programs, and judge what it says."""
import concurrent.futures
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tce import paths
from tce.cli import say
from tce.litmus.program import Test
from tce.paths import SCRIPTS

OUT = paths.OUT / "litmus"
TIMEOUT = 300


def verdict(said: str, status: int | str) -> tuple[str | None, str | None]:
    """(what herd7 says of a program, or None; what is wrong with its answer, or None)."""
    if status:
        return None, f"herd7 ended with {status}"
    found = re.findall(r"^Observation \S+ (Never|Sometimes|Always) (\d+) (\d+)$", said, re.M)
    if len(found) != 1:
        return None, "herd7 came to no verdict"
    if not int(found[0][1]) + int(found[0][2]):
        return None, "herd7 found no execution at all"
    return found[0][0], None


def judge(limit: bool, variant: str | None, said: str, status: int | str) -> tuple[str | None, str | None]:
    """(verdict, what is wrong or None) of a test, a limit or not, or of its control or mend."""
    got, wrong = verdict(said, status)
    want = "Sometimes" if limit == (variant is None) else "Never"
    if wrong:
        return got or "none", wrong
    if got != want:
        return got, f"must be {want}"
    if want == "Never" and re.search(r"^Flag ", said, re.M):
        return got, "herd7 has an objection: " + re.findall(r"^Flag .*", said, re.M)[0]
    return got, None


def run(herd: Path, test: Test, variant: str | None) -> tuple[str | None, str | None, float]:
    path = OUT / (test.name + (f"-{variant}" if variant else "") + ".litmus")
    path.write_text(test.text(variant))
    start = time.monotonic()
    status: int | str
    try:
        done = subprocess.run([herd, path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT)
        said, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired:
        said, status = "", f"its time, {TIMEOUT} s"
    path.with_suffix(".out").write_text(said)
    got, wrong = judge(test.limit(), variant, said, status)
    return got, wrong, time.monotonic() - start


def get_herd() -> Path | None:
    """A program that runs herd7 with the model; None if it could not be had."""
    done = subprocess.run([SCRIPTS / "herd"], stdout=subprocess.PIPE, text=True)
    return None if done.returncode else Path(done.stdout.strip())


def run_all(tests: Sequence[Test]) -> int:
    herd = get_herd()
    if not herd:
        print("litmus: herd7 could not be had", file=sys.stderr)
        return 2
    say(f"herd7, with the memory model of {(herd.parent / 'model').read_text().strip()}")
    OUT.mkdir(parents=True, exist_ok=True)
    passed, wrong = 0, []
    width = max([len(t.name) for t in tests], default=0)
    print(f"{'test'.ljust(width)}  verdict            seconds  controls, or mends")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {t: {v: pool.submit(run, herd, t, v) for v in (None, *t.variants)} for t in tests}
        for test in tests:
            wrong += [f"{test.name}: {w}" for w in test.wrong]
            results = {v: job.result() for v, job in jobs[test].items()}
            for variant, (got, bad, _) in results.items():
                passed += not bad
                if bad:
                    wrong.append(f"{test.name}{'-' + variant if variant else ''}: {got}: {bad}")
            said = ", ".join(f"{v} {r[0]}{' (limit)' * (v in test.limits)}" for v, r in results.items() if v)
            verdict_of_all = (results[None][0] or "none") + " (limit)" * test.limit()
            took = sum(r[2] for r in results.values())
            print(f"{test.name.ljust(width)}  {verdict_of_all:17}  {took:7.1f}  {said}", flush=True)
    if not tests:
        wrong.append("there is no test")
    for text in wrong:
        print(f"FAIL {text}")
    print(f">> litmus: {passed} passed, {len(wrong)} failed, 0 skipped")
    return 1 if wrong else 0
