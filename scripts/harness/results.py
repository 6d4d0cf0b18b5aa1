# SPDX-License-Identifier: GPL-2.0-only
"""Documentation/results.rst: what each command has said when it last ran to its end.

A command that measures something leaves its part of the page in out/results/, whether it was good
or not. "make results" moves these parts into the page. In bash, results of lib.sh:

    results                         write the page ("make results")
    results NAME SOURCE STATUS      keep what is on standard input, which was not good if STATUS,
                                    an exit code, is not 0

Exit codes: 0 done, 2 wrong usage.
"""
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path

from harness import steps
from harness.cli import parser, say, start
from harness.paths import OUT, ROOT

# The parts of the page, verdicts first and long lists last: the command that measures each, and
# what it is about.
PARTS = {
    "check": ("make check", "All tests"),
    **{f"kernel {name}": (f"make kernels KERNEL={name}", f"Kernel {name}")
       for name in steps.further()},
    "guest": ("scripts/guests", "Guests"),
    "install": ("scripts/nightly/install", "Installation on Debian"),
    "fresh": ("scripts/nightly/fresh", "The first run on a new machine"),
    "coverage": ("scripts/nightly/coverage", "Coverage"),
    "defects": ("scripts/nightly/defects", "Defects of the in-tree driver"),
    "clients": ("make clients", "Clients that others wrote"),
    "bench": ("make bench", "Instructions"),
}


def commit() -> str:
    """Which source this is, as git names it."""
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "unknown"


# A command that measures loads this before it begins.
SOURCE, STARTED = commit(), time.monotonic()


def record(name: str, good: bool, text: str, source: str = SOURCE,
           begun: float = STARTED) -> None:
    """Keep what a complete run has said, and whether it was good."""
    command, title = PARTS[name]
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"),
                      re.M)
    minutes = round((time.monotonic() - begun) / 60)
    (OUT / "results").mkdir(parents=True, exist_ok=True)
    (OUT / "results" / name).write_text(
        f"{title}\n{'=' * len(title)}\n\n"
        f"``{command}``, {time.strftime('%Y-%m-%d', time.gmtime())}, source {source}, on "
        f"{os.cpu_count()} processors{f', {model[1]}' if model else ''}"
        f"{f', in {minutes} minutes' * bool(minutes)}{', **failed**' * (not good)}::\n\n"
        + textwrap.indent(text.strip("\n"), "   ") + "\n", encoding="utf-8")


def page(old: str, new: Iterable[str]) -> str:
    """The page with these parts in the place of what it had"""
    head, *known = re.split(r"^(?=\S.*\n=+\n\n``)", old, flags=re.M)
    parts = {text.split("\n")[0]: text for text in (*known, *new)}
    return "\n".join(text.rstrip("\n") + "\n" for text in
                     (head, *(parts[title] for _, title in PARTS.values() if title in parts)))


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("name", nargs="?", choices=PARTS)
    p.add_argument("source", nargs="?", default=SOURCE)
    p.add_argument("status", nargs="?", type=int, default=0)
    args = p.parse_args()
    if args.name:
        record(args.name, not args.status, sys.stdin.read(), args.source)
        return 0
    documents = ROOT / "Documentation"
    files = [OUT / "results" / name for name in PARTS if (OUT / "results" / name).exists()]
    place = documents / "results.rst"
    text = page(place.read_text(encoding="utf-8"),
                [file.read_text(encoding="utf-8") for file in files])
    place.write_text(text, encoding="utf-8")
    # What is on the page does not replace a newer part of it some day.
    for part in files:
        part.unlink()
    say("results: Documentation/results.rst is written")
    return 0


if __name__ == "__main__":
    start(main, __doc__)
