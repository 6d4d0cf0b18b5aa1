# SPDX-License-Identifier: GPL-2.0-only
"""Tables as text."""
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[object]]) -> str:
    """Columns: the first to the left, all others to the right."""
    text = [[str(cell) for cell in row] for row in rows]
    first, *others = (max(map(len, column)) for column in zip(*text))
    return "\n".join("  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others))])
                     for row in text)
