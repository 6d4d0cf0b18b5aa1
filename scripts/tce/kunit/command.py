# SPDX-License-Identifier: GPL-2.0-only
"""Boot with the suites on all kernels and machines, and print one table."""
import argparse
import collections
import concurrent.futures
import fnmatch
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tce import kernels, ktap, module, results
from tce.cli import die, parser, say
from tce.kunit.build import build, lock
from tce.kunit.cases import MACHINES, Wanted, known_kernels, listed
from tce.kunit.races import data_races
from tce.kunit.report import Cases, by_case, judge, log_of, tell
from tce.paths import SCRIPTS
from tce.tables import aligned


@dataclass
class Run:
    """A boot of one kernel on one machine."""
    wrong: list[str]
    reader: ktap.Reader
    seconds: float
    log: Path

    @property
    def cases(self) -> Cases:
        return by_case(self.reader.results)


# By (kernel, machine)
Runs = Mapping[tuple[str, str], Run]


def boot(name: str, machine: str, build_dir: Path | None, log: Path, args: argparse.Namespace) -> tuple[int, float]:
    """Boot with the suites; returns (exit code of scripts/vm, seconds). @build_dir: None if they are built in"""
    suites = ["--driver", "intree", "--env", "TCE_SUITES=built-in"]
    if build_dir:
        suites = ["--ko", str(build_dir / module.KO), "--file", f"{build_dir / module.SUITES}.ko:/kunit/{module.SUITES}.ko"]
    command = [SCRIPTS / "vm", "--kernel", name, "--machine", machine, "--run", "kunit", *suites,
               "--timeout", str(args.timeout), "--show", args.show, "--log", log, "--mem", "3G",
               "--huge-pages"]
    append = ["kunit.enable=1", "kunit.autorun=1"]
    if "kasan" in kernels.built().get(name, []):
        # KASAN finds what slab poisoning does, and two stacks for each object are slow
        append.append("slab_debug=-")
    if args.filter:
        append.append(f"kunit.filter_glob={args.filter}")
    command += ["--append", " ".join(append)]
    if args.gcov:
        command += ["--env", "TCE_GCOV=1"]
    start = time.monotonic()
    code = subprocess.run(command, stdout=None if args.show != "none" else subprocess.PIPE).returncode
    return code, time.monotonic() - start


def boot_and_judge(name: str, machine: str, build_dir: Path | None, wanted: Wanted, args: argparse.Namespace) -> Run:
    """Boot one machine with one kernel, and judge."""
    say(f"suites on {machine}, {name}")
    log = log_of(name, machine)
    log.parent.mkdir(parents=True, exist_ok=True)
    code, seconds = boot(name, machine, build_dir, log, args)
    wrong, reader = judge(log, code, wanted)
    return Run(wrong, reader, seconds, log)


def counts(results: ktap.Results) -> list[int]:
    """How many passed, failed, were skipped."""
    return [ktap.count(results, state) for state in ("pass", "FAIL", "skip")]


def table(runs: Runs, wanted: Wanted) -> None:
    names = [f"{kernel.removeprefix('kunit-')} {machine}" for kernel, machine in runs]
    cells = [[suite, *("/".join(map(str, counts({name: result for name, result in run.reader.results.items()
                                                 if name.startswith(f"{suite}.")}))) for run in runs.values())]
             for suite in wanted]
    cells.append(["time"] + [f"{run.seconds:.0f} s" for run in runs.values()])
    cells.append(["verdict"] + ["good" if not run.wrong else "BAD" for run in runs.values()])
    print(aligned([["passed/failed/skipped", *names], *cells]))


def totals(runs: Runs, wrong: list[str]) -> str:
    """The last line; what is wrong with a run as a whole counts as a failure, too."""
    passed, failed, skipped = (sum(n) for n in zip(*(counts(run.reader.results) for run in runs.values())))
    return f"{passed} passed, {failed or len(wrong)} failed, {skipped} skipped"


def same_parameters(runs: Runs, wanted: Wanted) -> None:
    """Complain where a configuration tried fewer parameters than another."""
    for suite, cases in wanted.items():
        for case in cases:
            tried = {key: len(run.cases.get(f"{suite}.{case}", [])) for key, run in runs.items()}
            for key, n in tried.items():
                if 0 < n < max(tried.values()):
                    runs[key].wrong.append(f"{suite}.{case}: {n} of {max(tried.values())} parameters")


def passed_nowhere(runs: Runs, wanted: Wanted) -> list[str]:
    """The cases that passed on no machine: ["suite.case"]"""
    return [f"{suite}.{case}" for suite, cases in wanted.items() for case in cases
            if not any("pass" in run.cases.get(f"{suite}.{case}", []) for run in runs.values())]


def parse_args(doc: str) -> argparse.Namespace:
    p = parser(doc)
    p.add_argument("--kernel", action="append", help="only this kernel (may be repeated)")
    p.add_argument("--machine", action="append", choices=MACHINES, help="only this machine")
    p.add_argument("--filter", help="only these cases: a glob, suite or suite.case")
    p.add_argument("--timeout", type=float, default=2400, help="seconds for one boot (%(default)s)")
    p.add_argument("--show", default="none", choices=("none", "script", "all"))
    p.add_argument("--jobs", type=int, default=2, help="machines at once (%(default)s)")
    p.add_argument("--gcov", action="store_true", help="have the guest print its coverage data")
    p.add_argument("--list", action="store_true", help="list the cases and do nothing")
    return p.parse_args()


def save(runs: Runs) -> None:
    """Keep the figures of a good run of all of them."""
    rows: list[list[results.Cell]] = [["kernel", "machine", "passed", "skipped", "seconds"]]
    for (name, machine), run in runs.items():
        passed, _, skipped = counts(run.reader.results)
        rows.append([name, machine, passed, skipped, round(run.seconds)])
    results.save("kunit", rows)


def boot_all(wanted: Wanted, args: argparse.Namespace) -> Runs:
    """A kernel's machines run while the next kernel is built."""
    locks, pending, runs = [], {}, {}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name in args.kernel or known_kernels():
            kernel = kernels.env(name)
            locks.append(lock(name))
            build_dir = None if kernels.is_in_tree(name) else build(name, kernel)
            for machine in args.machine or MACHINES:
                pending[name, machine] = pool.submit(boot_and_judge, name, machine, build_dir, wanted, args)
        for key, future in pending.items():
            runs[key] = future.result()
            if runs[key].wrong:
                tell(runs[key].log)
    return runs


def report(runs: Runs, wanted: Wanted, everywhere: bool) -> list[str]:
    """Print what came out; returns what is wrong. @everywhere: on all kernels and machines"""
    print()
    table(runs, wanted)
    print("\nskipped:")
    for (name, machine), run in runs.items():
        for reason, n in collections.Counter(run.reader.reasons.values()).most_common():
            print(f"  {name.removeprefix('kunit-')} {machine}: {n} x {reason}")
    for (name, machine), run in runs.items():
        for title in data_races(run.log.read_text(errors="replace"))[1]:
            print(f"not ours: {name} {machine}: {title}")
    wrong = [f"{name} {machine}: {text} (log: {run.log})" for (name, machine), run in runs.items() for text in run.wrong]
    # Some of the machines may be the wrong ones for a case; all of them are not.
    if everywhere:
        wrong += [f"{case} passes nowhere" for case in passed_nowhere(runs, wanted)]
    for text in wrong:
        print(f"BAD: {text}")
    return wrong


def main(doc: str) -> int:
    args = parse_args(doc)
    wanted = listed()
    if args.list:
        for suite, cases in wanted.items():
            for case in cases:
                print(f"{suite}.{case}")
        return 0
    if args.filter:
        suite, _, case = args.filter.partition(".")
        wanted = {s: [c for c in cases if fnmatch.fnmatch(c, case or "*")]
                  for s, cases in wanted.items() if fnmatch.fnmatch(s, suite)}
        if not any(wanted.values()):
            die(f"no case matches {args.filter}; see --list")
    runs = boot_all(wanted, args)
    same_parameters(runs, wanted)
    wrong = report(runs, wanted, everywhere=not (args.kernel or args.machine))
    if not wrong and not (args.kernel or args.machine or args.filter):
        save(runs)
    print(f">> kunit: {totals(runs, wrong)}")
    return 1 if wrong else 0
