# SPDX-License-Identifier: GPL-2.0-only
"""Tables as text."""
import re
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[object]]) -> str:
    """Below a row of headings: columns of numbers to the right, all others to the left."""
    columns = []
    for cells in zip(*([str(cell) for cell in row] for row in rows)):
        side = str.rjust if all(re.fullmatch(r"[\d.,]*|-", cell)
                                for cell in cells[1:]) else str.ljust
        columns.append([side(cell, max(map(len, cells))) for cell in cells])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns))
