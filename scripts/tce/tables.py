# SPDX-License-Identifier: GPL-2.0-only
"""Tables as text."""
from collections.abc import Iterable, Sequence


def widths(rows: Iterable[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows)]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns: the first to the left, all others to the right."""
    first, *others = widths(rows)
    return "\n".join("  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others))])
                     for row in rows)


def rst_table(rows: Iterable[Iterable[object]]) -> str:
    """A table in reStructuredText; the first row is its head."""
    text = [[str(cell) for cell in row] for row in rows]
    columns = widths(text)
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, columns)).rstrip() for row in text]
    rule = "  ".join("=" * width for width in columns)
    return "\n".join((rule, lines[0], rule, *lines[1:], rule))
