# SPDX-License-Identifier: GPL-2.0-only
"""All faults that a mutant can have, derived from the text of the sources."""
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tce.ctext import functions, mask

# (start, end, replacement), which never changes the number of lines
Edit = tuple[int, int, str]

# Barriers, which scripts/litmus judges; what only costs or saves time; what only tells somebody.
LEFT_ALONE = re.compile(r"\b((smp_)?[rw]?mb(__\w+)?|barrier|cond_resched|need_resched|lockdep_\w+|\w+_assert_locked|might_\w+"
                        r"|trace_\w+|pr_(err|warn|info|debug)\w*|BUILD_BUG\w*|mutex_destroy|xa_destroy)\(")

LOCKS = (("spin_lock", "spin_unlock"), ("mutex_lock", "mutex_unlock"), ("down_write", "up_write"), ("down_read", "up_read"),
         ("rcu_read_lock", "rcu_read_unlock"), ("lock_for_core", "unlock_all"))
HELD = {name for pair in LOCKS for name in pair}
SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+": "-", "-": "+",
         "<<": ">>", ">>": "<<", "+=": "-=", "-=": "+=", "true": "false", "false": "true", "DMA_NONE": "DMA_BIDIRECTIONAL",
         "DMA_FROM_DEVICE": "DMA_TO_DEVICE", "DMA_BIDIRECTIONAL": "DMA_TO_DEVICE", "TCE_PCI_READ": "TCE_PCI_WRITE",
         "TCE_PCI_WRITE": "TCE_PCI_READ"}

# A statement that is a call: its name is group 2.
BALANCED = r"\((?:[^;{}()]|\((?:[^;{}()]|\([^;{}()]*\))*\))*\)"
CALL = re.compile(rf"^\t+((?:\(void\))?([a-z]\w*){BALANCED};)", re.M)
# Something that is a variable, or a member of one.
PLACE = r"[a-z]\w*(?:(?:->|\.)\w+)*"


@dataclass(frozen=True)
class Code:
    """A function, comments and strings blanked."""

    head: str
    body: str
    text: str       # the body as it is written
    siblings: dict[str, str]    # {member: the next one of its structure that has the same type}


# What is wrong in the spelling


def swapped(code: Code) -> Iterator[list[Edit]]:
    """Another operator, flag, direction or result."""
    for m in re.finditer(r"(?<=\s)(<=|>=|<<|>>|==|!=|&&|\|\||[-+]=|[-+<>])(?=\s)|\b(true|false|DMA_\w+|TCE_PCI_\w+)\b", code.body):
        if m[0] in SWAPS:
            yield [(m.start(), m.end(), SWAPS[m[0]])]
    for m in re.finditer(r" [-+] 1\b", code.body):
        yield [(m.start(), m.end(), "")]
    for m in re.finditer(r"\breturn ([\w-]+|[A-Z_]+\([\w, ]+\));", code.body):
        if m[1] not in SWAPS:
            yield [(m.start(1), m.end(1), "-EIO" if m[1] == "0" else "0")]


def conditions(code: Code) -> Iterator[list[Edit]]:
    """Conditions that are never true, always true, or negated."""
    body = code.body
    for m in re.finditer(r"\b(if|while) (?=\()", body):
        end, depth = m.end() + 1, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(body[end], 0)
            end += 1
        for before, after in [("(", " && 0)")] + [("(", " || 1)"), ("(!", ")")] * (m[1] == "if"):
            yield [(m.end(), m.end(), before), (end, end, after)]


def dropped(code: Code) -> Iterator[list[Edit]]:
    """Statements that are left out, errors that are ignored, or unwound without what was done before."""
    for m in re.finditer(r"^\t+((?:\w[\w.>\[\]-]*(?: [-+|&]?= [^;{}]*|\+\+|--)|(?:\(void\))?([a-z]\w*)\([^;{}]*\)"
                         r"|continue|break|goto \w+);)", code.body, re.M):
        if m[2] not in HELD:
            yield [left_out(m)]
    for m in re.finditer(r"\bgoto (err|out)\w*;", code.body):
        yield [(m.start(), m.end(), "return rc;" if re.search(r"\brc\b", code.body) else "return;")]


def left_out(m: re.Match[str]) -> Edit:
    """The statement that is group 1"""
    return m.start(1), m.end(1), "\n" * m[1].count("\n") + ";"


def unlocked(code: Code) -> Iterator[list[Edit]]:
    """A lock that is neither taken nor released."""
    for lock, unlock in LOCKS:
        calls: dict[str, list[tuple[str, Edit]]] = {}
        for m in re.finditer(rf"^(\t+)({lock}|{unlock})\(([^;]*)\);$", code.body, re.M):
            calls.setdefault(m[3], []).append((m[2], (m.start(), m.end(), m[1] + ";")))
        yield from ([edit for _, edit in same] for same in calls.values() if {name for name, _ in same} == {lock, unlock})


# What is wrong in the meaning


def elsewhere(code: Code) -> Iterator[list[Edit]]:
    """The first in the place of the one that is meant; without an offset."""
    for m in re.finditer(r"(?<=[\w\])])\[([^\[\]]*[a-z][^\[\]]*)\]", code.body):
        line = code.body[code.body.rfind("\n", 0, m.start()) + 1:m.start()]
        if not DECLARES.match(line):
            yield [(m.start(1), m.end(1), "0")]
    for m in re.finditer(rf"(?<=[\w\])]) [-+] {PLACE}(?=[;,)])", code.body):
        yield [(m.start(), m.end(), "")]


def reordered(code: Code) -> Iterator[list[Edit]]:
    """Two calls, one after the other, in the other order."""
    calls = list(CALL.finditer(code.body))
    for first, second in zip(calls, calls[1:]):
        between = code.body[first.end():second.start(1)]
        if not between.strip() and not LEFT_ALONE.search(first[0] + second[0]) and first[1] != second[1]:
            texts = [code.text[a:b] for a, b in (second.span(1), (first.end(), second.start(1)), first.span(1))]
            yield [(first.start(1), second.end(), "".join(texts))]


DECLARES = re.compile(r"\t*(?:(?:const|static|unsigned|signed|struct|enum|union|volatile) )*(\w+) (?=[\w*])")
NO_TYPES = {"return", "goto", "else", "case", "sizeof"}


def variables(code: Code) -> dict[str, list[str]]:
    """{type: parameters and local variables of it}"""
    found: dict[str, list[str]] = {}
    parameters = code.head[code.head.find("(") + 1:code.head.rfind(")")].split(",")
    declared = re.findall(r"^\t+([^;{}]*);$", code.body.split("\n\n")[0], re.M)
    for text in [*parameters, *declared]:
        text = " ".join(text.split())
        while (without := re.sub(r"\([^()]*\)", "", text)) != text:
            text = without
        m = re.match(r"((?:(?:const|static|unsigned|struct|enum) )*\w+) (?=[\w*])", text)
        if not m or m[1].split()[0] in NO_TYPES:
            continue
        for name in re.findall(r"(?:^|,)\s*(\**)(\w+)(?=\s*(?:[,=]|$))", text[m.end():]):
            found.setdefault(m[1].replace("const ", "") + name[0], []).append(name[1])
    return found


def other(code: Code) -> Iterator[list[Edit]]:
    """Another variable of the same type, or another member of the structure, is given to a function or looked at."""
    for names in variables(code).values():
        for name, instead in zip(names, names[1:] + names[:1]):
            if name != instead:
                for m in re.finditer(rf"(?<=[(,&] |.[(&]){name}(?=[,)])|(?<![\w>.]){name}(?=->)", code.body):
                    yield [(m.start(), m.end(), instead)]
    for m in re.finditer(r"(?<=->)(\w+)\b(?!\()", code.body):
        if m[1] in code.siblings:
            yield [(m.start(), m.end(), code.siblings[m[1]])]


def siblings(headers: Iterable[str]) -> dict[str, str]:
    """{member: the next one of its structure that has the same type}, of those that only one structure has"""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for text in headers:
        for structure in re.findall(r"^struct \w+ \{\n(.*?)^\}", mask(text), re.M | re.S):
            members = re.findall(r"^\t([\w ]+ \**)(\w+);$", structure, re.M)
            for kind in {kind for kind, _ in members}:
                same = [name for its, name in members if its == kind]
                for name, instead in zip(same, same[1:] + same[:1]):
                    if name in seen:
                        found.pop(name, None)
                    elif name != instead:
                        found[name] = instead
            seen |= {name for _, name in members}
    return found


COUNTS = re.compile(r"(?:^|_)(?:get|put|hold|pin|unpin|ref|unref|inc|dec|grab|drop|release|charge|uncharge|k?v?free|free)(?:$|_)")


def unbalanced(code: Code) -> Iterator[list[Edit]]:
    """A reference, pin or charge that is not taken or not given back, memory that is not freed."""
    for m in CALL.finditer(code.body):
        if m[2] not in HELD and COUNTS.search(m[2]):
            yield [left_out(m)]


def flagless(code: Code) -> Iterator[list[Edit]]:
    """Memory that is not charged or not zeroed, one of several flags that is missing."""
    for m in re.finditer(r"\bGFP_KERNEL(_ACCOUNT)\b", code.body):
        yield [(m.start(1), m.end(1), "")]
    for old, new in (("kzalloc", "kmalloc"), ("kvzalloc", "kvmalloc"), ("kcalloc", "kmalloc_array"), ("kvcalloc", "kvmalloc_array")):
        for m in re.finditer(rf"\b{old}\(", code.body):
            yield [(m.start(), m.end(), f"{new}(")]
    for m in re.finditer(r"\b[A-Z_]{3,}\b( \|\s+[A-Z_]{3,}\b)", code.body):
        yield [(m.start(1), m.end(1), "\n" * m[1].count("\n"))]


def impatient(code: Code) -> Iterator[list[Edit]]:
    """A step that is left out if the task is killed; the builder sees to the header."""
    for m in CALL.finditer(code.body):
        if m[2] not in HELD:
            yield [(m.start(1), m.start(1), "if (!fatal_signal_pending(current)) ")]


def forgotten(code: Code) -> Iterator[list[Edit]]:
    """An error code that is not looked at."""
    for m in re.finditer(r"^\t+((?:rc|ret|err|error) = )\(?[a-z]\w*\([^;{}]*\);", code.body, re.M):
        yield [(m.start(1), m.end(1), "")]


def only_some(code: Code) -> Iterator[list[Edit]]:
    """Of several only the first, or all but the last."""
    for m in re.finditer(rf"\bfor \([^;]*;\s+({PLACE}) < ([^;]*);\s+({PLACE}\+\+)\)", code.body):
        yield [(m.start(1), m.start(1), "1 + ")]
        yield [(m.start(3), m.end(3), f"{m[1]} = {' '.join(m[2].split(' && ')[0].split())}")]
    for m in re.finditer(r"\blist_for_each_entry\((\w+), ([^,()]+), (\w+)\)", code.body):
        yield [(m.start(), m.end(), f"if (({m[1]} = list_first_entry_or_null({m[2]}, typeof(*{m[1]}), {m[3]})))")]


Kind = Callable[[Code], Iterator[list[Edit]]]
SYNTAX: tuple[Kind, ...] = (swapped, conditions, dropped, unlocked)
MEANING: tuple[Kind, ...] = (elsewhere, reordered, other, unbalanced, flagless, impatient, forgotten, only_some)


@dataclass(frozen=True)
class Mutant:
    """A source with one fault."""

    file: str
    line: int
    change: str
    text: str
    kind: str = ""

    @property
    def of_meaning(self) -> bool:
        return self.kind in {kind.__name__ for kind in MEANING}


def mutants_of(file: str, text: str, siblings: dict[str, str] | None = None) -> Iterator[Mutant]:
    """All mutants of a file. They differ from it and from each other."""
    code, made = mask(text), {text}
    for function in functions(code).values():
        head = function.index("\n{\n") + 3
        start = code.index(function) + head
        body = code[start:start + len(function) - head - 1]
        known = Code(function[:head], body, text[start:start + len(body)], siblings or {})
        for kind, edits in ((its, edits) for its in (*MEANING, *SYNTAX) for edits in its(known)):
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
            end = text.count("\n", 0, start + max(b for _, b, _ in edits)) if kind is reordered else line
            before, after = (" ".join(" ".join(t.splitlines()[line:end + 1]).split()) for t in (text, new))
            yield Mutant(file, line + 1, f"- {before}\n+ {after}", new, kind.__name__)
