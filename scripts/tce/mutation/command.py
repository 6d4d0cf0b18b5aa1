# SPDX-License-Identifier: GPL-2.0-only
"""Draw a sample of mutants, try them, and say how many were caught."""
import concurrent.futures
import hashlib
import json
import math
import os
import queue
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tce import module, results
from tce.cli import die, parser, say
from tce.mutation.guests import KERNEL, OUT, Builder, attempt
from tce.mutation.mutants import Mutant, mutants_of
from tce.paths import DATA, ROOT

GOAL = 90       # per cent
CONTROLS = 5    # the unmodified module is tried so often among the mutants, and before them
EQUIVALENT = DATA / "mutants.equivalent"
KEPT = OUT / "mutants.json"

# A mutant by its key, its place, and what has caught it, if anything has
Tried = tuple[str, str, str]

# attempt(), which the tests of this file replace
Attempt = Callable[[Path, str, dict[str, Counter[str]]], str]


def seed_of(root: Path = ROOT) -> int:
    """Follows from all that a result depends on."""
    files = sorted([*module.sources(), *(root / "kunit").glob("*.[ch]"), *(root / "selftests").rglob("*.[ch]")])
    return int(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:6], 16)


def wilson(part: int, whole: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a rate, in per cent."""
    if not whole:
        return 0, 100
    rate, square = part / whole, z * z / whole
    middle, half = rate + square / 2, z * math.sqrt(rate * (1 - rate) / whole + square / whole / 4)
    return 100 * (middle - half) / (1 + square), 100 * (middle + half) / (1 + square)


def read_equivalent(text: str) -> dict[str, str]:
    """{key of a mutant: why it behaves as the module does}"""
    said = {}
    for block in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.M).strip()):
        key, _, reason = block.partition("\n= ")
        if block and not reason:
            die(f"{EQUIVALENT.name}: no reason:\n{block}")
        said[key] = reason
    return said


def sample(order: Sequence[Mutant], count: int, usable: Callable[[Sequence[Mutant]], list[bool]]) -> list[Mutant]:
    """The first mutants of an order that are usable, which is asked for as many at once as are still missing."""
    chosen: list[Mutant] = []
    at = 0
    while len(chosen) < count and at < len(order):
        batch = order[at:at + count - len(chosen)]
        at += len(batch)
        chosen += [mutant for mutant, good in zip(batch, usable(batch)) if good]
    return chosen


def build_sample(order: Sequence[Mutant], count: int, jobs: int) -> list[tuple[Mutant, Path]]:
    """Build so many mutants, and the unmodified module: [(mutant, where its modules are)]"""
    builders: queue.Queue[Builder] = queue.Queue()
    for number in range(jobs):
        builders.put(Builder(number))
    place = {mutant.key: OUT / "modules" / str(number) for number, mutant in enumerate(order)}
    builders.queue[0].keep(OUT / "modules/good")

    def one(mutant: Mutant) -> bool:
        builder = builders.get()
        try:
            return builder.build(mutant, place[mutant.key])
        finally:
            builders.put(builder)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        chosen = sample(order, count, lambda batch: list(pool.map(one, batch)))
    return [(mutant, place[mutant.key]) for mutant in chosen]


def try_all(built: Sequence[tuple[Mutant, Path]], jobs: int, attempt: Attempt = attempt) -> list[Tried]:
    """Boot all, and the unmodified module before and among them."""
    good: dict[str, Counter[str]] = {}

    def control(number: int) -> None:
        if wrong := attempt(OUT / "modules/good", f"good-{number}", good):
            die(f"inconclusive: the unmodified module fails ({wrong}); its log is good-{number}")

    def one(number: int) -> Tried:
        mutant, modules = built[number]
        if (number + 1) % max(len(built) // CONTROLS, 1) == 0:
            control(number)
        how = attempt(modules, str(number), good)
        print(f"{number + 1:4} {mutant.file}:{mutant.line}: {how or 'SURVIVED'}", flush=True)
        return mutant.key, f"{mutant.file}:{mutant.line}", how

    control(-1)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, range(len(built))))


def report(tried: Sequence[Tried], equivalent: Mapping[str, str], seed: int) -> tuple[dict[str, results.Cell], bool]:
    """Print the survivors and the rate; returns the figures, and whether they are good enough."""
    excused = [key for key, _, how in tried if not how and key in equivalent]
    wrong = [f"{place}: said to be equivalent, but caught by {how}:\n{key}" for key, place, how in tried if how and key in equivalent]
    caught, whole = sum(bool(how) for *_, how in tried), len(tried) - len(excused)
    print("\nSurvivors:")
    for key, place, how in tried:
        if not how:
            print(f"\n{place}{': equivalent, ' + equivalent[key] if key in equivalent else ''}\n{key}")
    for text in wrong:
        print(f"BAD: {text}")
    low, high = wilson(caught, whole)
    figures: dict[str, results.Cell] = {
        "caught": f"{caught} of {whole} ({100 * caught / max(whole, 1):.1f} %)", "95 % interval": f"{low:.1f} to {high:.1f} %",
        "equivalent by a person's word, not counted": len(excused), "seed": seed, "kernel": KERNEL}
    print(f"\n>> mutation: {figures['caught']} caught, 95 % interval {figures['95 % interval']}; {len(excused)} equivalent; seed {seed}")
    return figures, not wrong and bool(whole) and 100 * caught >= GOAL * whole


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--seed", type=int, help="try the sample of this seed")
    p.add_argument("--count", type=int, default=150, help="mutants (%(default)s)")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="machines at once (%(default)s)")
    p.add_argument("--report", action="store_true", help="print the last run again, with what is said to be equivalent today")
    args = p.parse_args()
    equivalent = read_equivalent(EQUIVALENT.read_text())
    if args.report:
        seed, tried = json.loads(KEPT.read_text())
    else:
        seed = seed_of() if args.seed is None else args.seed
        files = sorted(path for path in ROOT.glob("*.[ch]") if not path.name.endswith(".mod.c"))
        order = [mutant for file in files for mutant in mutants_of(file.name, file.read_text())]
        for key in sorted(set(equivalent) - {mutant.key for mutant in order}):
            say(f"{EQUIVALENT.name} has a mutant that the sources do not have any more:\n{key}")
        say(f"{args.count} of {len(order)} mutants, seed {seed}")
        random.Random(seed).shuffle(order)
        shutil.rmtree(OUT, ignore_errors=True)
        tried = try_all(build_sample(order, args.count, args.jobs), args.jobs)
        KEPT.write_text(json.dumps([seed, tried], indent=1))
    figures, good = report(tried, equivalent, seed)
    results.save("mutation", figures)
    return 0 if good else 1
