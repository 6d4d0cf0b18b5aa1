# SPDX-License-Identifier: GPL-2.0-only
"""What is known of mutants: what has caught which, what survivors are said to be; and the judge."""
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from tce.cli import die
from tce.mutation.mutants import Mutant
from tce.paths import DATA

VERDICTS = DATA / "mutants.verdicts"
CAUGHT = DATA / "mutants.caught"

# {id: (verdict, stage, how)}
Results = dict[str, tuple[str, str, str]]

# {(file, function, stage): [test that has caught a mutant in it, ...]}
Hints = dict[tuple[str, str, str], list[str]]


def read_caught(text: str) -> Hints:
    """{(file, function, stage): [test that has caught a mutant in it, ...]}"""
    fields = (line.split("#")[0].split() for line in text.splitlines())
    return {(f[0], f[1], f[2]): f[3:] for f in fields if len(f) > 3}


def caught_text(results: Results, mutants: Iterable[Mutant], before: Hints, functions: Collection[tuple[str, str]]) -> str:
    """The same as text, with what was found this time, for the functions that there are."""
    known = {where: set(tests) for where, tests in before.items() if where[:2] in functions}
    for m in mutants:
        verdict, stage, how = results.get(m.id, ("", "", ""))
        test = test_of(how)
        if verdict == "caught" and test not in ("", "leaks"):
            known.setdefault((m.file, m.function, stage), set()).add(test)
    head = ("# SPDX-License-Identifier: GPL-2.0-only\n#\n"
            "# What has caught mutants in which function, to be tried first: file, function, stage,\n"
            "# tests. Written by scripts/mutation --record.\n")
    return head + "".join(" ".join([*where, *sorted(known[where])]) + "\n" for where in sorted(known))


def test_of(how: str) -> str:
    """The test that has caught a mutant; empty if it was none."""
    m = re.match(r"((?:tce_\w+|[a-z]+)(?:\.\w+)?)(?:\+leaks)?: ", how)
    return m[1] if m and m[1] != "loading" else ""


def read_verdicts(text: str) -> dict[str, str]:
    """{key of the mutant: verdict}; a block of three lines a mutant, and what is said of it."""
    verdicts = {}
    for block in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.M)):
        if not block.strip():
            continue
        m = re.fullmatch(r"([^\n]+\n- [^\n]*\n\+[^\n]*)\n= ((?:equivalent|unseen|missing test): .*)",
                         block.strip("\n"), re.S)
        if not m:
            die(f"{VERDICTS.name}: not understood:\n{block}")
        verdicts[m[1]] = " ".join(m[2].split())
    return verdicts


def is_equivalent(mutant: Mutant, verdicts: Mapping[str, str]) -> bool:
    return verdicts.get(mutant.key, "").startswith("equivalent:")


def tallies(results: Results, mutants: Iterable[Mutant], verdicts: Mapping[str, str]) -> tuple[list[Mutant], list[Mutant], list[Mutant]]:
    """(caught, tried, tried but for those that are equivalent): lists of mutants."""
    tried = [m for m in mutants if results.get(m.id, ("none",))[0] in ("caught", "survived")]
    return ([m for m in tried if results[m.id][0] == "caught"], tried,
            [m for m in tried if not is_equivalent(m, verdicts)])


def judge(results: Results, mutants: Sequence[Mutant], verdicts: Mapping[str, str], goal: float, least: int = 1) -> list[str]:
    """All that is wrong with the results, as a list of sentences. Who has survived counts
    as missed, unless a verdict says that it is equivalent."""
    wrong = []
    caught, _, counted = tallies(results, mutants, verdicts)
    for m in mutants:
        if m.id not in results:
            wrong.append(f"not tried: {m.id}")
    good = [m for m in caught if m in counted]
    if len(counted) < least:
        wrong.append(f"only {len(counted)} mutants behave in another way: not {least}")
    if not counted or len(good) < goal * len(counted) / 100:
        wrong.append(f"only {len(good)} of {len(counted)} were caught: not {goal:g} %")
    for m in caught:
        if is_equivalent(m, verdicts):
            wrong.append(f"said to be equivalent, but caught: {m.id} ({m.file}:{m.line})")
    return wrong


def stale_verdicts(verdicts: Mapping[str, str], mutants: Iterable[Mutant]) -> list[str]:
    """Complaints about verdicts on mutants that can't be made."""
    known = {m.key for m in mutants}
    return [f"a verdict on no mutant: {key.splitlines()[0]}" for key in verdicts if key not in known]


def rate(some: Sequence[Mutant], of: Sequence[Mutant]) -> str:
    return f"{len(some)} of {len(of)} ({100 * len(some) / max(len(of), 1):.1f} %)"


def summary(results: Results, mutants: Iterable[Mutant], verdicts: Mapping[str, str]) -> str:
    """The score, and what it would be if those that are equivalent counted as missed."""
    caught, tried, counted = tallies(results, mutants, verdicts)
    good = [m for m in caught if m in counted]
    new = [m for m in counted if m not in good and m.key not in verdicts]
    return (f"{rate(good, counted)} caught, {len(new)} missed ones without a verdict;"
            f" {rate(caught, tried)} with the equivalent ones")
