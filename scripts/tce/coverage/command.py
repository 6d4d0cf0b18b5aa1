# SPDX-License-Identifier: GPL-2.0-only
"""Build the module with gcov, boot with it, and add up what was run."""
import argparse
import concurrent.futures
import subprocess
from pathlib import Path

from tce import kernels, module, paths, results
from tce.cli import output, parser, say
from tce.coverage import html
from tce.coverage.gcov import Counts, data_of, read_gcov
from tce.coverage.verdict import REASONS, Sources, judge, percent, read_reasons
from tce.kernels import Kernel
from tce.kunit import build as suites
from tce.kunit import cases, report
from tce.paths import LOGS, SCRIPTS

OUT = paths.OUT / "coverage"
OBJECTS = [name.removesuffix(".o") for name in module.OBJECTS.values()]
RUNS = [("gcov-4k", "powernv9", "kunit"), ("gcov-64k", "pseries", "kunit"),
        ("gcov-4k", "powernv9", "selftest"), ("gcov-4k", "pseries", "kunit"),
        ("gcov-64k", "powernv9", "selftest")]


def save(counts: Counts) -> None:
    """Keep the figures of a good run."""
    rows: list[list[results.Cell]] = [["file", "lines", "branches"]]
    for file in [*counts.files(), ""]:
        lines, all_lines, branches, all_branches = counts.of(file)
        rows.append([file or "in all", f"{lines} of {all_lines}, {percent(lines, all_lines):.1f} %",
                     f"{branches} of {all_branches}, {percent(branches, all_branches):.1f} %"])
    results.save("coverage", rows)


def table(counts: Counts) -> None:
    print(f"{'file':20}  {'lines':>14}  {'':>7}  {'branches':>14}")
    for file in [*counts.files(), ""]:
        lines, all_lines, branches, all_branches = counts.of(file)
        print(f"{file or 'in all':20}  {f'{lines} of {all_lines}':>14}  {percent(lines, all_lines):5.1f} %"
              f"  {f'{branches} of {all_branches}':>14}  {percent(branches, all_branches):5.1f} %")


def boot(name: str, machine: str, what: str, build: Path, log: Path) -> int:
    command: list[str | Path] = [SCRIPTS / "vm", "--kernel", name, "--machine", machine, "--run", what, "--log", log,
               "--ko", build / module.KO, "--env", "TCE_GCOV=1", "--show", "none",
               "--timeout", "3000", "--stall", "300"]
    if what == "kunit":
        command += ["--file", f"{build / module.SUITES}.ko:/kunit/{module.SUITES}.ko", "--mem", "3G",
                    "--append", "kunit.enable=1", "--huge-pages"]
    else:
        programs = output("build-selftests", name)
        command += ["--file", f"{programs}:/selftests", "--device", "edu", "--device", "edu"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).returncode


def parse_args(doc: str) -> argparse.Namespace:
    p = parser(doc)
    p.add_argument("--lines", type=float, default=95, help="goal, per cent (%(default)s)")
    p.add_argument("--branches", type=float, default=85, help="goal, per cent (%(default)s)")
    p.add_argument("--reuse", action="store_true", help="do only what an earlier run of the same sources has not done")
    p.add_argument("--jobs", type=int, default=2, help="machines at once (%(default)s)")
    p.add_argument("--show-branches", action="store_true", help="list the branches that are never taken")
    return p.parse_args()


def sources() -> Sources:
    return {f.name: f.read_text().splitlines() for f in module.sources() if f.parent == paths.ROOT}


def builds(known: dict[str, Kernel], reuse: bool) -> dict[str, Path]:
    """{kernel: where the modules for it were built}"""
    done = {}
    for name, kernel in known.items():
        out = OUT / name
        if reuse and all((out / f"build/{o}.gcno").exists() for o in OBJECTS):
            done[name] = out / "build"
        else:
            done[name] = suites.build(name, kernel, out=out, more=[f"GCOV_PROFILE_{o}.o=y" for o in OBJECTS])
    return done


def run(name: str, machine: str, what: str, build: Path, reuse: bool) -> tuple[int, Path]:
    """One boot, unless it was done before: (exit code, log)"""
    log = LOGS / f"coverage-{name}-{machine}-{what}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if reuse and log.exists() and "\n>> gcov end" in log.read_text(errors="replace"):
        return 0, log
    say(f"{what} on {machine}, {name}")
    return boot(name, machine, what, build, log), log


def add_up(args: argparse.Namespace, lines: Sources) -> tuple[Counts, list[str]]:
    """Boot all; returns what they counted, and what was wrong with them."""
    counts, wrong = Counts(), []
    known = {name: kernels.env(name) for name, *_ in RUNS}
    built = builds(known, args.reuse)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(run, name, machine, what, built[name], args.reuse) for name, machine, what in RUNS]
        done = [job.result() for job in jobs]
    for (name, machine, what), (code, log) in zip(RUNS, done):
        kernel = known[name]
        if code and what != "kunit":
            wrong.append(f"{what} on {machine}, {name}: failed ({code}; {log})")
        if what == "kunit":
            faults = report.judge(log, code, cases.names())[0]
            wrong += [f"{what} on {machine}, {name}: {fault} ({log})" for fault in faults]
        data = data_of(log.read_text(encoding="utf-8", errors="replace"))
        if not set(OBJECTS) <= set(data):
            wrong.append(f"{what} on {machine}, {name}: no data of {', '.join(set(OBJECTS) - set(data))}")
        for counted in read_gcov(f"{kernel['CROSS_COMPILE']}gcov", built[name], data):
            counts.add(counted, lines)
    return counts, wrong


def main(doc: str) -> int:
    args = parse_args(doc)
    lines = sources()
    counts, wrong = add_up(args, lines)
    wrong += judge(counts, read_reasons(REASONS.read_text()) if REASONS.exists() else {}, lines, (args.lines, args.branches))
    if args.show_branches:
        for (file, line, of, n), times in sorted(counts.branches.items()):
            if not times:
                print(f"{file}:{line}: branch {n} of {of}: {lines[file][line - 1].strip()}")
    print()
    table(counts)
    print(f"line by line: {html.write(counts, OUT / 'html')}")
    for text in wrong:
        print(f"BAD: {text}")
    if not wrong:
        save(counts)
    run_lines, all_lines, branches, all_branches = counts.of("")
    print(f">> coverage: {percent(run_lines, all_lines):.1f} % of the lines,"
          f" {percent(branches, all_branches):.1f} % of the branches, {len(wrong)} complaints")
    return 1 if wrong else 0
