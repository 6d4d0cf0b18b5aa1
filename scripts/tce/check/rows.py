# SPDX-License-Identifier: GPL-2.0-only
"""Rows of the test programs that are skipped on all machines."""
import re
from collections.abc import Iterable, Mapping

from tce import ktap


def read_skips(text: str) -> dict[str, str]:
    """{row: why it runs on no machine here}"""
    return dict(line.rsplit(": ", 1) for line in text.splitlines() if line and not line.startswith("#"))


def judge_rows(reports: Iterable[str], skips: Mapping[str, str]) -> list[str]:
    """What is wrong with rows of the test programs, whose results (see scripts/ktap) are @reports."""
    states: dict[str, set[str]] = {}
    for text in reports:
        results, _ = ktap.parse(text)
        for row, state in results.items():
            # whoever ran it, and however often
            row = re.sub(r"^user: | \(\d+\)$", "", row)
            states.setdefault(row, set()).add(state)
    wrong = [f"skipped on all machines, and scripts/data/selftest.skips does not say why: {row}"
             for row, seen in states.items() if seen == {"skip"} and row not in skips]
    wrong += [f"scripts/data/selftest.skips says that this can't run here, but it {'does' if row in states else 'is no row'}: {row}"
              for row in skips if states.get(row) != {"skip"}]
    return wrong if states else ["there are no rows"]
