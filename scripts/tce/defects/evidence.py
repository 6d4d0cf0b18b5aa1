# SPDX-License-Identifier: GPL-2.0-only
"""What a console says of a defect: the words of a row of the test programs, and those of the kernel."""
import re

from tce import ktap
from tce.defects.catalogue import Show
from tce.vm.console import SPLATS

# A watchdog of the kernel barked: that may be the fault of a busy machine.
WATCHDOG = re.compile(r"blocked for more than|rcu: INFO|detected stall|soft lockup|hard LOCKUP")


class Run:
    """What the console of one boot said."""

    NOTE = re.compile(r"# (?:[\w/]+\.c:\d+: )?(.*)")
    PLACE = re.compile(r"NIP \[\w+\] (\w+)\+")

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text[max(text.find("\nVM-START"), 0):]
        self.mended = ktap.mend(self.text)
        self.results, _ = ktap.parse(self.mended)

    def notes(self, row: str) -> list[str]:
        """What was said about a row: the lines between it and the one before."""
        notes: list[str] = []
        for line in self.mended.splitlines():
            if m := ktap.RESULT.match(line):
                if m[4] == row:
                    return notes
                notes = []
            elif m := self.NOTE.match(line):
                notes.append(m[1])
        return []

    def last_notes(self) -> list[str]:
        """What was said since the last result: about a row that did not end."""
        lines = self.mended.splitlines()
        last = max((n for n, line in enumerate(lines) if ktap.RESULT.match(line)), default=-1)
        return [m[1] for line in lines[last + 1:] if (m := self.NOTE.match(line))]

    def complaints(self) -> list[str]:
        """What the kernel said."""
        said: list[str] = []
        fresh = 0
        for line in self.text.splitlines():
            line = ktap.STAMP.sub("", line)
            if SPLATS.search(line) and "cut here" not in line:
                line = re.sub(r"(CPU|PID): \d+ |(?<=\s)/\S*?/(?=(arch|drivers|kernel|lib|mm)/)", "", line)
                said.append(re.sub(r"(\w+)\+0x\S+( \[\w+\])?$", r"\1()", line))
            elif fresh < len(said) and (m := self.PLACE.search(line)):
                # The first place after a complaint is where it happened.
                said[fresh:] = [s if s.endswith("()") else f"{s} in {m[1]}()" for s in said[fresh:]]
                fresh = len(said)
        return said


def full_name(show: Show, row: str) -> str:
    return ("user: " if show.user == "user" else "") + row


def evidence(show: Show, run: Run) -> str | None:
    """What shows the defect: a row's own words, the kernel's; None if nothing does."""
    notes = [note for row in show.rows if run.results.get(full_name(show, row)) == "FAIL"
             for note in run.notes(full_name(show, row))]
    if show.hang:
        notes += run.last_notes()
    said = [line for line in run.complaints() if show.hang or not WATCHDOG.search(line)] if show.alone else []
    words = [next((line for line in lines if re.search(show.evidence, line)), None) for lines in (notes, said)]
    return "; ".join(word for word in words if word) or None
