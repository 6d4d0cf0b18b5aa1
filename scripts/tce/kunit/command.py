# SPDX-License-Identifier: GPL-2.0-only
"""Boot with the suites on all kernels and machines, and print one table."""
import argparse
import collections
import concurrent.futures
import fnmatch
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tce import kernels, ktap, module, results
from tce.cli import die, parser, say
from tce.kunit.build import build, lock
from tce.kunit.cases import MACHINES, known_kernels, names
from tce.kunit.races import data_races
from tce.kunit.report import by_case, judge, log_of, tell
from tce.paths import SCRIPTS
from tce.tables import aligned


@dataclass
class Run:
    """A boot of one kernel on one machine."""
    name: str
    machine: str
    wrong: list[str]
    reader: ktap.Reader
    seconds: float
    log: Path

    def count(self, state: str) -> int:
        return ktap.count(self.reader.results, state)


def boot(name: str, machine: str, build_dir: Path | None, wanted: Sequence[str], args: argparse.Namespace) -> Run:
    """Boot one machine with one kernel, and judge. @build_dir: None if the suites are built in"""
    say(f"suites on {machine}, {name}")
    log = log_of(name, machine)
    log.parent.mkdir(parents=True, exist_ok=True)
    suites = ["--driver", "intree", "--env", "TCE_SUITES=built-in"]
    if build_dir:
        suites = ["--ko", str(build_dir / module.KO), "--file", f"{build_dir / module.SUITES}.ko:/kunit/{module.SUITES}.ko"]
    append = ["kunit.enable=1", "kunit.autorun=1"]
    if "kasan" in kernels.fragments(name):
        # KASAN finds what slab poisoning does, and two stacks for each object are slow
        append.append("slab_debug=-")
    if args.filter:
        append.append(f"kunit.filter_glob={args.filter}")
    start = time.monotonic()
    done = subprocess.run([SCRIPTS / "vm", "--kernel", name, "--machine", machine, "--run", "kunit", *suites,
                           "--timeout", str(args.timeout), "--show", args.show, "--log", log, "--mem", "3G", "--huge-pages",
                           "--append", " ".join(append)], stdout=None if args.show != "none" else subprocess.PIPE)
    wrong, reader = judge(log, done.returncode, wanted)
    if wrong:
        tell(log)
    return Run(name, machine, wrong, reader, time.monotonic() - start, log)


def boot_all(wanted: Sequence[str], args: argparse.Namespace) -> list[Run]:
    """A kernel's machines run while the next kernel is built."""
    locks, pending = [], []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name in args.kernel or known_kernels():
            kernel = kernels.env(name)
            locks.append(lock(name))
            build_dir = None if kernels.is_in_tree(name) else build(name, kernel)
            pending += [pool.submit(boot, name, machine, build_dir, wanted, args) for machine in args.machine or MACHINES]
        return [future.result() for future in pending]


def compare(runs: Sequence[Run], wanted: Sequence[str], everywhere: bool) -> list[str]:
    """What is wrong with all runs together: ["suite.case: ..."]. @everywhere: on all kernels and machines"""
    wrong = []
    cases = [by_case(run.reader.results) for run in runs]
    for name in wanted:
        tried = {len(states) for case in cases if (states := case.get(name))}
        if len(tried) > 1:
            wrong.append(f"{name}: a machine tries {min(tried)} of {max(tried)} parameters")
        # One machine may be the wrong one for it; all of them are not.
        if everywhere and not any("pass" in case.get(name, []) for case in cases):
            wrong.append(f"{name} passes nowhere")
    return wrong


def report(runs: Sequence[Run], wanted: Sequence[str], everywhere: bool) -> list[str]:
    """Print what came out; returns what is wrong."""
    rows = [(run.name, run.machine, *(str(run.count(state)) for state in ("pass", "FAIL", "skip")), f"{run.seconds:.0f} s",
             "BAD" if run.wrong else "good") for run in runs]
    print(f"\n{aligned([('kernel', 'machine', 'passed', 'failed', 'skipped', 'time', ''), *rows])}\n\nskipped:")
    for run in runs:
        for reason, n in collections.Counter(run.reader.reasons.values()).most_common():
            print(f"  {run.name} {run.machine}: {n} x {reason}")
        for title in data_races(ktap.console(run.log))[1]:
            print(f"not ours: {run.name} {run.machine}: {title}")
    wrong = [f"{run.name} {run.machine}: {text} (log: {run.log})" for run in runs for text in run.wrong]
    wrong += compare(runs, wanted, everywhere)
    for text in wrong:
        print(f"BAD: {text}")
    return wrong


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--kernel", action="append", help="only this kernel (may be repeated)")
    p.add_argument("--machine", action="append", choices=MACHINES, help="only this machine")
    p.add_argument("--filter", help="only these cases: a glob, suite or suite.case")
    p.add_argument("--timeout", type=float, default=2400, help="seconds for one boot (%(default)s)")
    p.add_argument("--show", default="none", choices=("none", "script", "all"))
    p.add_argument("--jobs", type=int, default=2, help="machines at once (%(default)s)")
    p.add_argument("--list", action="store_true", help="list the cases and do nothing")
    args = p.parse_args()
    glob = args.filter or "*"
    wanted = fnmatch.filter(sorted(names()), glob if "." in glob else f"{glob}.*")
    if not wanted:
        die(f"no case matches {args.filter}; see --list")
    if args.list:
        print("\n".join(wanted))
        return 0
    runs = boot_all(wanted, args)
    everywhere = not (args.kernel or args.machine)
    wrong = report(runs, wanted, everywhere)
    if everywhere and not args.filter and not wrong:
        rows: list[tuple[results.Cell, ...]] = [("kernel", "machine", "passed", "skipped", "seconds")]
        rows += [(run.name, run.machine, run.count("pass"), run.count("skip"), round(run.seconds)) for run in runs]
        results.save("kunit", rows)
    passed, failed, skipped = (sum(run.count(state) for run in runs) for state in ("pass", "FAIL", "skip"))
    print(f">> kunit: {passed} passed, {failed or len(wrong)} failed, {skipped} skipped")
    return 1 if wrong else 0
