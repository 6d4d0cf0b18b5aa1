# SPDX-License-Identifier: GPL-2.0-only
"""What commands measure: kept in out/NAME/result.json, and put into Documentation/results.rst and its pictures."""
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from tce import paths, plots
from tce.cli import parser, say
from tce.paths import ROOT

# The parts of the page: the command that measures each, and what it is about.
PARTS = {
    "check": ("make check", "All tests"),
    "kernels": ("make kernels", "Further kernels"),
    "kunit": ("make kunit", "KUnit suites"),
    "defects": ("scripts/defects", "Defects of the in-tree driver"),
    "guest": ("scripts/check-guest", "Guests"),
    "clients": ("make clients", "Clients that others wrote"),
    "coverage": ("scripts/coverage", "Coverage"),
    "mutation": ("scripts/mutation", "Mutation"),
    "bench": ("make bench", "Instructions"),
}


# Made of what "make bench" has said: the file, what it shows, and how it is drawn.
PICTURES = {
    "cost-regions.svg": ("instructions of a call for one page against the number of registered regions: the in-tree driver's "
                         "cost grows with them", plots.regions),
    "cost-tce.svg": ("instructions per TCE of MAP and UNMAP, for both versions, both drivers, PowerNV and partition", plots.entries),
}


def commit(root: Path = ROOT) -> str:
    """Which source this is, as git names it."""
    done = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "unknown"


def machine() -> str:
    """What the emulated machines ran on."""
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    return f"{os.cpu_count()} processors{f', {model[1]}' if model else ''}"


# A command that measures loads this before it begins.
AT_START, BEGAN = commit(), time.monotonic()


def save(name: str, said: str, out: Path = paths.OUT, source: str = AT_START, minutes: float | None = None) -> None:
    """Keep what a complete run of the command that measures the part @name has said. @minutes: that it took, if not this process alone"""
    place = out / name / "result.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"date": time.strftime("%Y-%m-%d", time.gmtime()), "source": source, "machine": machine(),
                                 "minutes": round(minutes or (time.monotonic() - BEGAN) / 60), "said": said}, indent=1) + "\n",
                     encoding="utf-8")


def page(out: Path = paths.OUT) -> str:
    """Documentation/results.rst."""
    text = [".. SPDX-License-Identifier: GPL-2.0-only", "=======\nResults\n=======",
            "``scripts/results`` writes this page from what the commands below have left in ``out/``. No other page\n"
            "repeats these figures. All machines were emulated; the times are those of the machine that emulated them."]
    for name, (command, title) in PARTS.items():
        text.append(f"{title}\n{'=' * len(title)}")
        place = out / name / "result.json"
        if not place.exists():
            text.append(f"No complete run of ``{command}`` is recorded.")
            continue
        found = json.loads(place.read_text(encoding="utf-8"))
        took = f", in {found['minutes']} minutes" if found.get("minutes") else ""
        text.append(f"``{command}``, {found['date']}, source {found['source']}, on {found['machine']}{took}::")
        text.append(textwrap.indent(found["said"].strip("\n"), "   "))
        if name == "bench":
            text.append("\n".join(f".. image:: {file}\n   :alt: {alt}" for file, (alt, _) in PICTURES.items()))
    return "\n\n".join(text) + "\n"


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("save", nargs="?", choices=PARTS)
    p.add_argument("source", nargs="?", default=AT_START)
    args = p.parse_args()
    if args.save:
        save(args.save, sys.stdin.read(), source=args.source)
        return 0
    (ROOT / "Documentation/results.rst").write_text(page(), encoding="utf-8")
    bench = paths.OUT / "bench/result.json"
    if bench.exists():
        found = plots.figures(json.loads(bench.read_text(encoding="utf-8"))["said"])
        for file, (_, draw) in PICTURES.items():
            (ROOT / "Documentation" / file).write_text(draw(found), encoding="utf-8")
    missing = [name for name in PARTS if not (paths.OUT / name / "result.json").exists()]
    say(f"results: Documentation/results.rst is written{', without ' + ', '.join(missing) if missing else ''}")
    return 0
