# SPDX-License-Identifier: GPL-2.0-only
"""Which goals are met, missed as known, or failed; and the table that says so."""
from collections.abc import Iterable
from pathlib import Path

from tce.bench import goals
from tce.bench.goals import Line, lines_of, ratio
from tce.bench.measured import Figures


def number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.1f}M"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if value == int(value) else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def behind(line: Line, bound: float) -> bool:
    """Is a goal missed, but by no more than is known?"""
    if line.missing or line.ours is None:
        return False
    if line.least:
        return line.ours >= bound
    reached = line.ours if bound > 10 else ratio(line.ours, line.intree)
    return reached is not None and reached <= bound


class Verdict:
    """Counts goals; @wrong is what is wrong with the run as a whole."""

    def __init__(self) -> None:
        self.met = self.failed = self.missed = 0
        self.wrong: list[str] = []

    def line(self) -> str:
        return f">> bench: {self.met} passed, {self.failed + len(self.wrong)} failed, 0 skipped, {self.missed} missed"

    def good(self) -> bool:
        return bool(self.met and not self.failed and not self.wrong)


def judge(f: Figures, name: str, machine: str, short: bool, verdict: Verdict) -> str:
    """The text of one host's table."""
    text = [f"{machine}, {name}",
            f"{'':56} {'in-tree':>9} {'ours':>9} {'ratio':>6} {'floor x':>11}  goal"]
    known = dict(goals.BEHIND.get((name, machine), {}))
    number_of_goals = 0
    for line in lines_of(f, name, machine, short):
        share = f"{line.ours / line.intree:.2f}" if line.intree and line.ours is not None else "-"
        floor = f"{line.floor:.2f}" if line.floor else ""
        floor += f" ({line.plain:.1f})" if line.plain else ""
        said = ""
        if line.goal:
            number_of_goals += 1
            bound, why = known.pop(line.what, (None, ""))
            if line.missing:
                verdict.failed += 1
                said = f"{line.goal}: NO FIGURE"
            elif line.met:
                verdict.met += 1
                said = f"{line.goal}: met"
                if bound:
                    verdict.wrong.append(f"{machine}, {name}: met, but BEHIND says that it is missed: {line.what}")
            elif bound and behind(line, bound):
                verdict.missed += 1
                said = f"{line.goal}: MISSED, as known: {why}"
            else:
                verdict.failed += 1
                said = f"{line.goal}: MISSED"
        text.append(f"{line.what:56} {number(line.intree):>9} {number(line.ours):>9} {share:>6} {floor:>11}  {said}"
                    .rstrip())
    if number_of_goals != goals.GOALS[name, machine][short]:
        verdict.wrong.append(f"{machine}, {name}: {number_of_goals} goals, not {goals.GOALS[name, machine][short]}")
    verdict.wrong += [f"{machine}, {name}: BEHIND knows of a goal that is none: {what}" for what in known]
    return "\n".join(text) + "\n"


def table(paths: Iterable[tuple[str, str, Path]], short: bool) -> tuple[str, Verdict]:
    """Returns (its text, the verdict)."""
    verdict = Verdict()
    return "\n".join(judge(Figures(path), name, machine, short, verdict) for name, machine, path in paths), verdict
