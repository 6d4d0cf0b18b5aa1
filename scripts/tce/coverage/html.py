# SPDX-License-Identifier: GPL-2.0-only
"""What was run, line by line, as HTML: by gcovr.

It does not count for us: it adds up branches of one line by their numbers, though pages of
another size make other branches of it, and it leaves out braces that nothing runs.
"""
import json
import subprocess
from pathlib import Path
from typing import Any

from tce.cli import die
from tce.coverage.gcov import Counts
from tce.paths import ROOT

# Of the gcovr that Debian 12 has.
FORMAT = "0.3"


def tracefile(counts: Counts) -> dict[str, Any]:
    """The counts in gcovr's own format."""
    files: dict[str, dict[int, dict[str, Any]]] = {}
    for (file, line), count in counts.lines.items():
        files.setdefault(file, {})[line] = {"line_number": line, "count": count, "branches": [], "gcovr/noncode": False,
                                            "gcovr/excluded": False}
    for (file, line, *_), count in sorted(counts.branches.items()):
        files[file][line]["branches"].append({"count": count, "fallthrough": False, "throw": False})
    return {"gcovr/format_version": FORMAT, "files": [
        {"file": file, "functions": [], "lines": [lines[n] for n in sorted(lines)]} for file, lines in sorted(files.items())]}


def write(counts: Counts, out: Path, root: Path = ROOT) -> Path:
    """Make the pages below a directory; returns the first of them."""
    out.mkdir(parents=True, exist_ok=True)
    trace = out.with_suffix(".json")
    trace.write_text(json.dumps(tracefile(counts)))
    done = subprocess.run(["gcovr", "--root", root, "--add-tracefile", trace, "--html-details", out / "index.html",
                           "--html-title", "The module's tests"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        die(f"gcovr failed: {done.stdout}")
    return out / "index.html"
