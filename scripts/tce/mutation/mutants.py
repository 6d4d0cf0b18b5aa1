# SPDX-License-Identifier: GPL-2.0-only
"""Mutants: which there are, what they are called, and a sample of them."""
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tce import module
from tce.ctext import mask
from tce.mutation.faults import Edit, faults
from tce.paths import ROOT

# What only decides about cost, or tells somebody.
LEFT_ALONE = re.compile(r"\b(cond_resched|need_resched|lockdep_assert|\w+_assert_locked|trace_tce|"
                        r"pr_(err|warn|info)|BUILD_BUG|mutex_destroy|xa_destroy|__uninitialized)")

# No emulated machine can show them.
NEVER = {"weaker barrier"}
LEAST = 150         # mutants that behave in another way, to say how good the tests are
LEAST_OF_FILE = 3  # in a sample, of each file that has so many


def digest(*parts: str | Path) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    return state.hexdigest()[:12]


def functions(code: str) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of the bodies of all functions."""
    for m in re.finditer(r"^(\w[^;{}#=]*?)\n\{\n(.*?)^\}", code, re.M | re.S):
        head = re.sub(r"^.*?(\w+)\(.*$", r"\1", m[1], flags=re.S)
        yield head, m.start(2), m.end(2)


def statement(code: str, at: int) -> tuple[int, int]:
    """The statement around a place: (start, end)."""
    start = max(code.rfind(c, 0, at) for c in ";{}") + 1
    end = min(e for e in (code.find(c, at) for c in ";{") if e >= 0)
    return start, end


class Mutant:
    """One fault. What it is called follows from the text of the line, not from its place."""

    def __init__(self, file: str, function: str, kind: str, edits: list[Edit], text: str) -> None:
        self.file, self.function, self.kind = file, function, kind
        edits = sorted(edits)
        code = mask(text)
        self.lines: set[int] = set()        # of the statements that are changed
        for a, b, _ in edits:
            while code[a] in "\t\n ":
                a += 1
            start, end = statement(code, a)
            while code[start] in "\t\n ":
                start += 1
            self.lines |= set(range(code.count("\n", 0, start) + 1, code.count("\n", 0, max(end, b)) + 2))
        self.text = text
        for a, b, new in reversed(edits):
            self.text = self.text[:a] + new + self.text[b:]
        self.line = text.count("\n", 0, edits[0][0]) + 1
        self.before, self.after = self.shown(text), self.shown(self.text)
        self.nth = 0

    def shown(self, text: str) -> str:
        lines = text.splitlines()
        at = self.line - 1
        if not lines[at].strip() and at + 1 < len(lines):
            return ""
        return " ".join(lines[at].split())

    @property
    def key(self) -> str:
        nth = f" #{self.nth}" if self.nth else ""
        return f"{self.file} {self.function}{nth}: {self.kind}\n- {self.before}\n+ {self.after}".rstrip()

    @property
    def id(self) -> str:
        return hashlib.sha256(self.key.encode()).hexdigest()[:10]


def candidates(file: str, text: str) -> Iterator[Mutant]:
    """All mutants of a file that differ from it and from each other."""
    code = mask(text)
    seen: dict[str, int] = {}
    texts = {text}
    for name, start, end in functions(code):
        for kind, edits in faults(code, start, end):
            a = edits[0][0]
            while code[a] in "\t\n ":
                a += 1
            s, e = statement(code, a)
            if LEFT_ALONE.search(code[s:max(e, edits[0][1])]):
                continue
            mutant = Mutant(file, name, kind, edits, text)
            if mutant.text in texts:
                continue
            texts.add(mutant.text)
            key = mutant.key
            mutant.nth = seen.get(key, 0)
            seen[key] = mutant.nth + 1
            yield mutant


def sample(mutants: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """So many of all mutants, drawn by the seed: of each file in proportion to how many
    it has. The seed gives each mutant its place in the draw, whatever the others are."""
    by_file: dict[str, list[Mutant]] = {}
    chosen = []
    for m in mutants:
        if m.kind not in NEVER:
            by_file.setdefault(m.file, []).append(m)
    total = sum(map(len, by_file.values()))
    for these in by_file.values():
        share = max(round(count * len(these) / total), min(count, LEAST_OF_FILE))
        chosen += sorted(these, key=lambda m: digest(f"{seed} {m.id}"))[:share]
    return sorted(chosen, key=lambda m: (m.file, m.line, m.id))


def possible() -> list[Mutant]:
    """All of the module, of what is in line in its headers too."""
    files = [*module.OBJECTS, *(str(path.relative_to(ROOT)) for path in module.headers() if path.suffix == ".h")]
    return [m for file in files for m in candidates(file, (ROOT / file).read_text())]
