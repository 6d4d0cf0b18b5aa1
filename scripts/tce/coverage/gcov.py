# SPDX-License-Identifier: GPL-2.0-only
"""What a guest has counted for gcov: from its console to lines and branches."""
import base64
import gzip
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Container
from pathlib import Path
from typing import Any

from tce.cli import die

# What gcov makes of one object
Report = dict[str, Any]


def data_of(text: str, lost: list[str] | None = None) -> dict[str, bytes]:
    """The .gcda files that a guest has printed: {name: content}. With @lost, those that the kernel
    has spoken into are named there."""
    files = {}
    for name, body in re.findall(r"^>> gcov \S*?(\w+)\.gcda\n(.*?)(?=^>> |\Z)", text, re.M | re.S):
        try:
            # what the kernel says comes between, anywhere in a line, and is a line of its own
            files[name] = gzip.decompress(base64.b64decode(re.sub(r"\[ *\d+\.\d+\][^\n]*\n", "", body)))
        except (ValueError, OSError, EOFError):
            if lost is None:
                die(f"the data of {name} did not get through the console")
            lost.append(name)
    return files


def read_gcov(gcov: str, build: Path, data: dict[str, bytes]) -> list[Report]:
    """What gcov makes of them: its JSON, one for each object."""
    reports: list[Report] = []
    with tempfile.TemporaryDirectory() as tmp:
        for name, content in data.items():
            gcno = build / f"{name}.gcno"
            if not gcno.exists():
                continue
            (Path(tmp) / gcno.name).write_bytes(gcno.read_bytes())
            gcda = Path(tmp) / f"{name}.gcda"
            gcda.write_bytes(content)
            done = subprocess.run([gcov, "--json-format", "--stdout", "--branch-probabilities", gcda],
                                  cwd=tmp, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if done.returncode or "stamp mismatch" in done.stderr:
                die(f"gcov cannot read what the guest said of {name}: {done.stderr}")
            reports += [json.loads(line) for line in done.stdout.splitlines() if line]
    return reports


class Counts:
    """Executions of lines and branches of our files, from any number of runs."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, int], int] = {}                 # (file, line) -> count
        self.branches: dict[tuple[str, int, int, int], int] = {}    # (file, line, how many there are, number) -> count
        self.function: dict[tuple[str, int], str] = {}              # (file, line) -> its function

    def add(self, report: Report, ours: Container[str]) -> None:
        """One more report. Where page sizes make other code of a line, that is another line
        as far as its branches are concerned. Processors lose counts to each other, and gcov
        computes some of the others: what it then says is less than nothing proves nothing."""
        for file in report["files"]:
            name = os.path.basename(file["file"])
            if name not in ours:
                continue
            for line in file["lines"]:
                key = (name, line["line_number"])
                self.lines[key] = self.lines.get(key, 0) + max(line["count"], 0)
                self.function[key] = self.function.get(key) or line.get("function_name", "")
                for n, branch in enumerate(line["branches"]):
                    at = (*key, len(line["branches"]), n)
                    self.branches[at] = self.branches.get(at, 0) + max(branch["count"], 0)

    def files(self) -> list[str]:
        return sorted({file for file, _ in self.lines})

    def of(self, file: str) -> tuple[int, int, int, int]:
        """(lines run, lines, branches taken, branches)"""
        lines = [n for (f, _), n in self.lines.items() if f == file or not file]
        branches = [n for (f, *_), n in self.branches.items() if f == file or not file]
        return sum(map(bool, lines)), len(lines), sum(map(bool, branches)), len(branches)

    def uncovered(self) -> list[tuple[str, int]]:
        return sorted(key for key, n in self.lines.items() if not n)
