# SPDX-License-Identifier: GPL-2.0-only
"""A test of litmus/: its program, its controls, what it quotes."""
import re
from pathlib import Path

from tce.paths import ROOT

MARK = re.compile(r"// *(control|mend) ([\w-]+): *(.*?)(?=\s*//|$)", re.M)


class Quote:
    """Statements of one function; labels[i] is the control that takes out lines[i]."""

    def __init__(self, what: str, file: str, function: str) -> None:
        self.what, self.file, self.function = what, file, function
        self.lines: list[str] = []
        self.labels: list[str | None] = []


class Test:
    def __init__(self, path: Path) -> None:
        self.name = path.stem
        text = path.read_text()
        self.wrong: list[str] = []
        if not text.startswith(f"C {self.name}\n"):
            self.wrong.append(f"does not begin with: C {self.name}")
        head = re.search(r"\(\*(.*?)\*\)", text, re.S)
        self.program = text if not head else text[:head.start()] + text[head.end():]
        if not re.match(r"C \S+\s*\{", self.program):
            self.wrong.append("something is between the head and the program; \"*)\" ends a head")
        self.quotes: list[Quote] = []
        self.limits: dict[str | None, tuple[str, str]] = {}     # control, or None for all: (file, text)
        for line in (head[1] if head else "").splitlines():
            self.read(re.sub(r"^ \*", "", line))
        self.variants: dict[str, str] = {}      # name: "control" or "mend"
        for kind, name, _ in MARK.findall(self.program):
            if self.variants.setdefault(name, kind) != kind:
                self.wrong.append(f"{name} is both a control and a mend")
        if set(self.variants.values()) != {"mend" if self.limit() else "control"}:
            self.wrong.append("needs controls, or mends if it is a limit, and not both")
        for name in set(self.limits) - {None, *self.variants}:
            self.wrong.append(f"limit {name} is no control")
        if not any(q.what == "code" for q in self.quotes):
            self.wrong.append("quotes nothing")
        for label in {name for q in self.quotes for name in q.labels if name} - set(self.variants):
            self.wrong.append(f"nothing in the program is marked: {label}")

    def read(self, line: str) -> None:
        """One line of the head."""
        if m := re.match(r" (code|kernel): (\S+) (\S+)$", line):
            self.quotes.append(Quote(*m.groups()))
        elif m := re.match(r" limit(?: (\S+))?: (\S+) (.+)$", line):
            self.limits[m[1]] = m[2], m[3]
        elif line.startswith("\t") and self.quotes:
            m = re.match(r"\t(.*?)(?:\t+\[([\w-]+)\])?$", line)
            assert m    # any line matches
            self.quotes[-1].lines.append(m[1])
            self.quotes[-1].labels.append(m[2])

    def limit(self) -> bool:
        """Is the whole test one?"""
        return None in self.limits

    def named_in(self) -> list[str]:
        """The files whose comments must name it: with a barrier of it, or its limit."""
        return sorted({q.file for q in self.quotes if q.what == "code" and any(q.labels)} |
                      {file for file, _ in self.limits.values()})

    def text(self, variant: str | None = None) -> str:
        """What herd7 gets."""
        lines = []
        for line in self.program.splitlines():
            out = re.sub(r"\s*//.*", "", line)
            for _, name, instead in MARK.findall(line):
                if name == variant:
                    out = "\t" + ("" if instead == "drop" else instead)
            lines.append(out)
        if variant:
            lines[0] += f"-{variant}"
        return "\n".join(lines) + "\n"


def reasons(text: str) -> dict[tuple[str, str, str], str]:
    """{(file, function, barrier): reason} of litmus/reasons."""
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            m = re.match(r"(\S+) (\w+) (\w+): (.+)$", line)
            found[(m[1], m[2], m[3]) if m else (line, "", "")] = m[4] if m else ""
    return found


def load() -> list[Test]:
    return [Test(p) for p in sorted((ROOT / "litmus").glob("*.litmus"))]
