# SPDX-License-Identifier: GPL-2.0-only
"""Run all steps, or those that are asked for."""
import argparse
import concurrent.futures
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from tce import kernels, ktap, paths, results
from tce.check import steps
from tce.check.matrix import others
from tce.check.rows import read_skips
from tce.check.run import LOGS, Check
from tce.check.steps import BOOTED, KVM_ROWS, SELFTESTS, Step, log_names, machines, quick, sequential
from tce.cli import parser
from tce.paths import CACHE, DATA


def cache_used(seconds: float) -> float:
    """GB of the cache, without what only other commands need: kernels that nothing has asked for in so
    many seconds, their sources, Debian as a system, a kernel's source with our driver in it."""
    entries = [p for p in CACHE.iterdir() if p.name not in ("kernels", "source", "system", "into-tree")]
    entries += [p for p in CACHE.glob("kernels/*/*") if p.stat().st_mtime >= time.time() - seconds]
    rows = [kernels.rows()[name] for name in (*BOOTED, "6.12-clang")]
    entries += sorted({CACHE / "source" / row[1].split("/")[0] for row in rows if row[0] != "debian"})
    done = subprocess.run(["du", "-scm", *entries], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return int(done.stdout.split()[-2]) / 1024


def parse_args(doc: str) -> argparse.Namespace:
    p = parser(doc)
    p.add_argument("pattern", nargs="*")
    p.add_argument("--list", action="store_true")
    p.add_argument("--jobs", type=int, default=4, help="machines and the like at once (%(default)s)")
    p.add_argument("--quick", action="store_true", help="one machine: the work between")
    p.add_argument("--kernels", action="store_true", help="the kernels that all of this leaves out, with the test programs")
    args = p.parse_args()
    if args.kernels and args.quick:
        p.error("--kernels is for itself")
    if args.kernels:
        args.first, args.booted = list(steps.builds()), list(steps.runs())
    else:
        args.first, args.booted = ([], list(quick())) if args.quick else (list(sequential()), list(machines()))
    args.first, args.booted = wanted(args.first, args.pattern), wanted(args.booted, args.pattern)
    if not args.first + args.booted:
        p.error(f"no step has {' or '.join(args.pattern)} in its name; see --list")
    return args


def wanted(steps: Iterable[Step], patterns: list[str]) -> list[Step]:
    return [s for s in steps if not patterns or any(p in s[0] for p in patterns)]


def run(check: Check, first: Iterable[Step], booted: Iterable[Step], jobs: int) -> None:
    """The first one after the other; then the others, several at a time."""
    for step in first:
        check.step(*step)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            for future in [pool.submit(check.step, *step) for step in booted]:
                future.result()
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)     # what waits is not begun any more
            raise


def selftest_logs() -> list[Path]:
    names = ["-".join(["selftest", kernel, machine, *log_names(more), "ours"]) for kernel, machine, _, more in SELFTESTS]
    logs = [paths.LOGS / f"{name}.log" for name in (*names, KVM_ROWS)]
    return [log for log in logs if log.exists()]


def main(doc: str) -> int:
    args = parse_args(doc)
    if args.list:
        for name, command, _ in args.first + args.booted:
            print(f"{name:32} {' '.join(command)}")
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    check = Check()
    start = time.monotonic()
    run(check, args.first, args.booted, args.jobs)
    if not args.pattern and not args.quick and not args.kernels:
        check.rows([ktap.script_output(log) for log in selftest_logs()], read_skips((DATA / "selftest.skips").read_text()))
    print(check.summary(time.monotonic() - start))
    good = check.passed and not check.failed
    if good and not args.pattern and not args.quick:
        if args.kernels:
            results.save("kernels", others(check.said))
        else:
            steps_said = [[step, said.strip(" ()")] for step, said in check.said.items() if said]
            results.save("check", {"passed": check.passed, "failed": check.failed, "skipped": check.skipped,
                                   "goals missed": check.missed, "machines at a time": args.jobs,
                                   "GB of cache needed": f"{cache_used(time.monotonic() - start):.1f}",
                                   "Steps": [["step", "how it went"], *steps_said]})
    return 0 if good else 1
