# SPDX-License-Identifier: GPL-2.0-only
"""The figures of one host, as selftests/bench.c prints them and as they are kept."""
import csv
import re
from collections.abc import Container
from pathlib import Path

ROW = re.compile(r"^csv,([a-z]+,[a-z0-9-]+,\d,[a-z-]+,\d+,[a-z/-]+,\d+\.\d{3})$", re.M)
FIELDS = ("driver", "test", "version", "memory", "n", "unit", "value")
MIB = 1 << 20


# (driver, test, version, memory, n)
Key = tuple[str, str, int, str, int]


def write_figures(path: Path, name: str, machine: str, text: str) -> Path:
    with open(path, "w", newline="", encoding="ascii") as f:
        writer = csv.writer(f)
        writer.writerow(("kernel", "machine", *FIELDS))
        for line in dict.fromkeys(ROW.findall(text)):
            writer.writerow((name, machine, *line.split(",")))
    return path


def keep_best(path: Path, text: str, memories: Container[str]) -> None:
    """Of the figures of @memories, which are the better the higher, keep the best of @path and @text."""
    with open(path, newline="", encoding="ascii") as f:
        header, *rows = csv.reader(f)
    new = {tuple(key): value for *key, value in (line.split(",") for line in ROW.findall(text))}
    with open(path, "w", newline="", encoding="ascii") as f:
        writer = csv.writer(f)
        writer.writerow(header)
        for *key, value in rows:
            again = new.get(tuple(key[2:]), value) if key[5] in memories else value
            writer.writerow((*key, max(value, again, key=float)))


class Figures:
    """The figures of one host: get(driver, test, version, memory, n)."""

    def __init__(self, path: Path) -> None:
        self.data: dict[Key, float] = {}
        with open(path, newline="", encoding="ascii") as f:
            for row in csv.DictReader(f):
                key = (row["driver"], row["test"], int(row["version"]), row["memory"], int(row["n"]))
                self.data[key] = float(row["value"])

    def get(self, driver: str, test: str, version: int, memory: str, n: int) -> float | None:
        return self.data.get((driver, test, version, memory, n))

    def series(self, driver: str, test: str, version: int, memory: str) -> list[tuple[int, float]]:
        """[(n, value)] in the order of n."""
        return sorted((k[4], v) for k, v in self.data.items() if k[:4] == (driver, test, version, memory))

    def floor(self, op: str, n: int) -> tuple[float | None, float | None]:
        """One write of each entry and one kill: (by exchange, by set or clear)."""
        kill = self.get("floor", "kill", 0, "floor", n)
        exchange = self.get("floor", "exchange" if op == "map" else "exchange0", 0, "floor", n)
        plain = self.get("floor", "set" if op == "map" else "clear", 0, "floor", n)
        if kill is None or exchange is None or plain is None:
            return None, None
        # set() and clear() invalidate by themselves
        return exchange + kill, plain

    def pinning(self, op: str, memory: str, n: int) -> tuple[float | None, float | None]:
        """(as v1 of the kernel's own driver does it, the cheapest way to do it for long)"""
        tests = ("pin-each", "pin") if op == "map" else ("unpin-each", "unpin", "unpin-folio")
        each, *ways = (self.get("floor", test, 0, memory, n) for test in tests)
        known = [way for way in ways if way is not None]
        return (None, None) if each is None or len(known) < len(ways) else (each, min(known))
