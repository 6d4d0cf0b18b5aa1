# SPDX-License-Identifier: GPL-2.0-only
"""Draw a sample of mutants, try them, and say how many were caught."""
import argparse
import fnmatch
import os
import random
from collections.abc import Sequence

from tce import results as kept
from tce.cli import die, parser, say
from tce.mutation.mutants import LEAST, Mutant, possible, sample
from tce.mutation.report import report
from tce.mutation.session import Session
from tce.mutation.stages import STAGES
from tce.mutation.verdicts import CAUGHT, VERDICTS, judge, read_verdicts, stale_verdicts, summary


def parse_args(doc: str) -> argparse.Namespace:
    p = parser(doc)
    p.add_argument("--seed", type=int, help="draw this sample (a new one)")
    p.add_argument("--count", type=int, default=180, help="mutants, about (%(default)s)")
    p.add_argument("--goal", type=float, default=90, help="per cent to be caught (%(default)s)")
    p.add_argument("--budget", type=float, default=90,
                   help="seconds of tests for one mutant in each stage (%(default)s)")
    p.add_argument("--doubt", type=float, default=10,
                   help="seconds of it for one that is said to be equivalent (%(default)s)")
    p.add_argument("--only", metavar="GLOB", action="append",
                   help="all mutants whose id, file, function or kind is such (may be repeated)")
    p.add_argument("--stage", action="append", choices=[s.name for s in STAGES], help="only this stage")
    p.add_argument("--record", action="store_true", help=f"write what was caught to {CAUGHT.name}")
    p.add_argument("--keep", action="store_true",
                   help="believe an earlier run of the same module what it caught")
    p.add_argument("--again", action="store_true", help="with --keep, also what survived")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), help="machines at once (%(default)s)")
    p.add_argument("--build", action="store_true", help="build the mutants and do nothing more")
    p.add_argument("--list", action="store_true", help="list the mutants and do nothing")
    return p.parse_args()


def choose(mutants: Sequence[Mutant], args: argparse.Namespace, seed: int) -> list[Mutant]:
    if not args.only:
        return sample(mutants, args.count, seed)
    return [m for m in mutants if any(fnmatch.fnmatch(t, glob) for glob in args.only
                                      for t in (m.id, m.file, m.function, m.kind))]


def conclude(session: Session, every: Sequence[Mutant], drawn: str, seed: int) -> int:
    """Print what has come out; returns the exit code."""
    args, results, mutants, verdicts = session.args, session.results, session.mutants, session.verdicts
    if args.record:
        session.record({(m.file, m.function) for m in every})
    print()
    report(results, mutants, verdicts)
    wrong = session.wrong + judge(results, mutants, verdicts, args.goal, 1 if args.only else LEAST)
    wrong += stale_verdicts(verdicts, every)
    for text in wrong:
        print(f"BAD: {text}")
    if not wrong and session.fresh == seed and not args.only:
        kept.save("mutation", {"caught": f"{summary(results, mutants, verdicts)}; {drawn}"})
    print(f">> mutation: {summary(results, mutants, verdicts)}; {drawn}; {len(wrong)} complaints")
    return 1 if wrong else 0


def main(doc: str) -> int:
    args = parse_args(doc)
    every = possible()
    seed = random.SystemRandom().randrange(1000000) if args.seed is None else args.seed
    mutants = choose(every, args, seed)
    if not mutants:
        die("no such mutant")
    of_each = ", ".join(f"{sum(m.file == file for m in mutants)} of {sum(m.file == file for m in every)} of {file}"
                        for file in dict.fromkeys(m.file for m in every))
    drawn = "chosen by --only" if args.only else f"seed {seed}"
    if args.list:
        for m in mutants:
            print(f"{m.id} {m.file}:{m.line}\n{m.key}\n")
        print(f">> mutation: {len(mutants)} mutants, {drawn}: {of_each}")
        return 0
    session = Session(args, mutants, read_verdicts(VERDICTS.read_text()) if VERDICTS.exists() else {}, seed)
    if not args.only:
        drawn += ", fresh" if session.fresh == seed else ", repeated"
    if args.stage:
        drawn += f", only {' '.join(args.stage)}"
    say(f"{len(mutants)} mutants, {drawn}: {of_each}; {sum(m.id in session.results for m in mutants)} known")
    session.run()
    return 0 if args.build else conclude(session, every, drawn, seed)
