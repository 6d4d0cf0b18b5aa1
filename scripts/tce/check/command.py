# SPDX-License-Identifier: GPL-2.0-only
"""Run all steps, or those that are asked for."""
import argparse
import concurrent.futures
import time
from collections.abc import Iterable

from tce import results
from tce.check import steps
from tce.check.run import LOGS, Check
from tce.check.steps import Step
from tce.cli import parser


def parse_args(doc: str) -> argparse.Namespace:
    p = parser(doc)
    p.add_argument("pattern", nargs="*")
    p.add_argument("--list", action="store_true")
    p.add_argument("--jobs", type=int, default=4, help="machines and the like at once (%(default)s)")
    p.add_argument("--kernels", action="store_true", help="the kernels that all of this leaves out, with the test programs")
    args = p.parse_args()
    args.first, args.booted = (steps.builds(), steps.runs()) if args.kernels else (steps.sequential(), steps.machines())
    args.first, args.booted = ([s for s in some if not args.pattern or any(p in s[0] for p in args.pattern)]
                               for some in (args.first, args.booted))
    if not args.first + args.booted:
        p.error(f"no step has {' or '.join(args.pattern)} in its name; see --list")
    return args


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
    print(check.summary(time.monotonic() - start))
    passed, failed = check.totals()
    if passed and not failed and not args.pattern:
        results.save("kernels" if args.kernels else "check", check.figures())
    return 0 if passed and not failed else 1
