# SPDX-License-Identifier: GPL-2.0-only
"""All faults that a mutant can have, derived from the text of the sources."""
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tce.ctext import functions, mask

# (start, end, replacement), which never changes the number of lines
Edit = tuple[int, int, str]

# Barriers, which scripts/litmus judges; what only costs or saves time; what only tells somebody.
LEFT_ALONE = re.compile(r"\b((smp_)?[rw]?mb(__\w+)?|barrier|cond_resched|need_resched|lockdep_\w+|\w+_assert_locked|might_\w+"
                        r"|trace_\w+|pr_(err|warn|info|debug)\w*|BUILD_BUG\w*|mutex_destroy|xa_destroy)\(")

LOCKS = (("spin_lock", "spin_unlock"), ("mutex_lock", "mutex_unlock"), ("down_write", "up_write"), ("down_read", "up_read"),
         ("rcu_read_lock", "rcu_read_unlock"), ("lock_for_core", "unlock_all"))
SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+": "-", "-": "+",
         "<<": ">>", ">>": "<<", "+=": "-=", "-=": "+=", "true": "false", "false": "true", "DMA_NONE": "DMA_BIDIRECTIONAL",
         "DMA_FROM_DEVICE": "DMA_TO_DEVICE", "DMA_BIDIRECTIONAL": "DMA_TO_DEVICE", "TCE_PCI_READ": "TCE_PCI_WRITE",
         "TCE_PCI_WRITE": "TCE_PCI_READ"}


def swapped(body: str) -> Iterator[list[Edit]]:
    """Another operator, flag, direction or result."""
    for m in re.finditer(r"(?<=\s)(<=|>=|<<|>>|==|!=|&&|\|\||[-+]=|[-+<>])(?=\s)|\b(true|false|DMA_\w+|TCE_PCI_\w+)\b", body):
        if m[0] in SWAPS:
            yield [(m.start(), m.end(), SWAPS[m[0]])]
    for m in re.finditer(r" [-+] 1\b", body):
        yield [(m.start(), m.end(), "")]
    for m in re.finditer(r"\breturn ([\w-]+|[A-Z_]+\([\w, ]+\));", body):
        if m[1] not in SWAPS:
            yield [(m.start(1), m.end(1), "-EIO" if m[1] == "0" else "0")]


def conditions(body: str) -> Iterator[list[Edit]]:
    """Conditions that are never true, always true, or negated."""
    for m in re.finditer(r"\b(if|while) (?=\()", body):
        end, depth = m.end() + 1, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(body[end], 0)
            end += 1
        for before, after in [("(", " && 0)")] + [("(", " || 1)"), ("(!", ")")] * (m[1] == "if"):
            yield [(m.end(), m.end(), before), (end, end, after)]


def dropped(body: str) -> Iterator[list[Edit]]:
    """Statements that are left out, errors that are ignored, or unwound without what was done before."""
    held = {name for pair in LOCKS for name in pair}
    for m in re.finditer(r"^\t+((?:\w[\w.>\[\]-]*(?: [-+|&]?= [^;{}]*|\+\+|--)|(?:\(void\))?([a-z]\w*)\([^;{}]*\)"
                         r"|continue|break|goto \w+);)", body, re.M):
        if m[2] not in held:
            yield [(m.start(1), m.end(1), "\n" * m[1].count("\n") + ";")]
    for m in re.finditer(r"\bgoto (err|out)\w*;", body):
        yield [(m.start(), m.end(), "return rc;" if re.search(r"\brc\b", body) else "return;")]


def unlocked(body: str) -> Iterator[list[Edit]]:
    """A lock that is neither taken nor released."""
    for lock, unlock in LOCKS:
        calls: dict[str, list[tuple[str, Edit]]] = {}
        for m in re.finditer(rf"^(\t+)({lock}|{unlock})\(([^;]*)\);$", body, re.M):
            calls.setdefault(m[3], []).append((m[2], (m.start(), m.end(), m[1] + ";")))
        yield from ([edit for _, edit in same] for same in calls.values() if {name for name, _ in same} == {lock, unlock})


KINDS: tuple[Callable[[str], Iterator[list[Edit]]], ...] = (swapped, conditions, dropped, unlocked)


@dataclass(frozen=True)
class Mutant:
    """A source with one fault."""

    file: str
    line: int
    change: str
    text: str


def mutants_of(file: str, text: str) -> Iterator[Mutant]:
    """All mutants of a file. They differ from it and from each other."""
    code, made = mask(text), {text}
    for function in functions(code).values():
        start = code.index(function) + function.index("\n{\n") + 3
        body = code[start:start + len(function) - (function.index("\n{\n") + 3) - 1]
        for edits in (edits for kind in KINDS for edits in kind(body)):
            at = edits[0][0]
            at += len(body[at:]) - len(body[at:].lstrip())
            if LEFT_ALONE.search(body, max(body.rfind(c, 0, at) for c in ";{}") + 1, body.index(";", at) + 1):
                continue
            new = text
            for a, b, instead in sorted(edits, reverse=True):
                new = new[:start + a] + instead + new[start + b:]
            if new in made:
                continue
            made.add(new)
            line = text.count("\n", 0, start + at)
            before, after = (" ".join(t.splitlines()[line].split()) for t in (text, new))
            yield Mutant(file, line + 1, f"- {before}\n+ {after}", new)
