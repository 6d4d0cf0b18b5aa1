# SPDX-License-Identifier: GPL-2.0-only
"""For scripts/lint: which lines of files go beyond 100 columns."""
import sys
from collections.abc import Iterator
from pathlib import Path

LAST = 100


def beyond(text: str) -> Iterator[tuple[int, int]]:
    """(number of a line, its columns), of those that are too long. A tab goes on to the next of
    each eight."""
    for number, line in enumerate(text.splitlines(), 1):
        if (columns := len(line.expandtabs(8))) > LAST:
            yield number, columns


def main(files: list[str]) -> int:
    found = [f"{file}:{number}: {columns} columns, of {LAST}" for file in files
             for number, columns in beyond(Path(file).read_text(encoding="utf-8"))]
    print("".join(f"{line}\n" for line in found), end="")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
