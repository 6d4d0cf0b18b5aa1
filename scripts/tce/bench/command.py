# SPDX-License-Identifier: GPL-2.0-only
"""Measure, judge, draw."""
import argparse
import subprocess
from collections.abc import Sequence

from tce import results
from tce.bench import onelock
from tce.bench.machines import HOSTS, OLDER, OUT, measure
from tce.bench.verdict import Verdict, table
from tce.cli import die, parser

Hosts = Sequence[tuple[str, str]]

LEGEND = """\
Instructions per call unless said otherwise. ratio: ours / in-tree. floor x: multiple of the platform's
exchange of each entry and one invalidation; in brackets, of its set() or clear(). pinning alone: entry by entry
as the kernel's own driver does it, and the cheapest way that may last."""


def parse_args(doc: str) -> tuple[argparse.Namespace, Hosts]:
    p = parser(doc)
    p.add_argument("--short", action="store_true")
    p.add_argument("--segments", type=int, default=16384,
                   help="of DPDK's sequence (%(default)s, at most 65536); the kernel's own driver needs n^2 instructions")
    p.add_argument("--ko", help="measure this module (built for all the kernels in question) as ours")
    p.add_argument("--only", action="append", metavar="KERNEL-MACHINE")
    p.add_argument("--table", action="store_true")
    p.add_argument("--wrong", action="store_true")
    args = p.parse_args()
    hosts = tuple(h for h in (*HOSTS, *OLDER) if "-".join(h) in args.only) if args.only else HOSTS
    if not hosts:
        die(f"--only is one of {', '.join('-'.join(h) for h in (*HOSTS, *OLDER))}")
    return args, hosts


def control() -> int:
    """Only see that a module with one lock misses the goals."""
    wrong, lines = onelock.control(*HOSTS[0])
    for text in (*lines, *wrong):
        print(text)
    print(f">> bench: {2 - len(wrong)} passed, {len(wrong)} failed, 0 skipped")
    return 1 if wrong else 0


def judged(args: argparse.Namespace, hosts: Hosts) -> tuple[str, Verdict]:
    """Measure unless only the table is wanted: (the table, the verdict)"""
    if args.table:
        paths = [(*h, (OUT / "short" if args.short else OUT) / f"{'-'.join(h)}.csv") for h in hosts]
    else:
        paths = [(*h, measure(*h, args.short, args.segments, args.ko)) for h in hosts]
    text, verdict = table(paths, args.short)
    if args.short and not (args.only or args.table):
        # that the goals about two CPUs can be missed
        wrong, lines = onelock.control(*HOSTS[0])
        text += "\n" + "\n".join(lines) + "\n"
        verdict.met += 2 - len(wrong)
        verdict.wrong += wrong
    if hosts == HOSTS and verdict.good() and not (args.short or args.table or args.ko):
        results.save("bench", [["figure", "goal"], *([line[:96].strip(), line[96:].strip()] for line in text.splitlines() if line)])
    return text, verdict


def main(doc: str) -> int:
    args, hosts = parse_args(doc)
    try:
        if args.wrong:
            return control()
        text, verdict = judged(args, hosts)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        die(error)
    print(text)
    print(LEGEND)
    for wrong in verdict.wrong:
        print(f"!! {wrong.removeprefix('!! ')}")
    print(verdict.line())
    return 0 if verdict.good() else 1
