# SPDX-License-Identifier: GPL-2.0-only
"""The table of what became of the mutants, and the survivors."""
from collections.abc import Mapping, Sequence

from tce.mutation.mutants import Mutant
from tce.mutation.stages import STAGES
from tce.mutation.verdicts import Results, is_equivalent
from tce.tables import aligned


def report(results: Results, mutants: Sequence[Mutant], verdicts: Mapping[str, str]) -> None:
    kinds = sorted({m.kind for m in mutants})
    stages = [s.name for s in STAGES]
    heads = ["kind of fault", "made", *stages, "survived", "same code", "not compiling"]
    rows = []
    for kind in [*kinds, "in all"]:
        these = [results[m.id] for m in mutants if kind in (m.kind, "in all") and m.id in results]
        row: list[object] = [kind, len(these)]
        row += [sum(r[0] == "caught" and r[1] == s for r in these) for s in stages]
        row += [sum(r[0] == k for r in these) for k in ("survived", "same", "broken")]
        rows.append([str(c) for c in row])
    print(aligned([heads, *rows]))
    survivors = [m for m in mutants if results.get(m.id, ("",))[0] == "survived"]
    equivalent = [m for m in survivors if is_equivalent(m, verdicts)]
    known = [m for m in survivors if m.key in verdicts and m not in equivalent]
    new = [m for m in survivors if m.key not in verdicts]
    for what, group in (("behave as the module does, and are not counted", equivalent),
                        ("are missed, as was known", known), ("are missed, and have no verdict", new)):
        print(f"\n{len(group)} {what}{':' if group else '.'}")
        for m in group:
            how = results[m.id][2]
            print(f"\n{m.key}\n= {verdicts.get(m.key, '(no verdict)')}\n  ({m.id}, {m.file}:{m.line}{how and '; ' + how})")
