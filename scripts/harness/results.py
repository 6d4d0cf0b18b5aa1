# SPDX-License-Identifier: GPL-2.0-only
"""What commands measure: kept in out/NAME/result.json, and put into Documentation/results.rst.

Such a command leaves out/NAME/result.json when all of it has run and nothing has failed: an
object with "date", "source", "machine" and what it "said". If something has failed, "failed" is
added, with "date", "source" and the last "line". What is not there stays on the page as it is. A
result is marked if the module has changed since. In bash, results of lib.sh:

    results                          write the page and its pictures ("make results")
    results NAME [SOURCE [STATUS]]   keep what a shell script says, on standard input: that it
                                     failed, if its exit code is not 0

Exit codes: 0 done, 2 wrong usage.
"""
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from harness import paths, plots
from harness.cli import parser, say, start
from harness.ctext import code_of
from harness.paths import ROOT

# The parts of the page, verdicts first and long lists last: the command that measures each, and
# what it is about.
PARTS = {
    "check": ("make check", "All tests"),
    "kernels": ("make kernels", "Further kernels"),
    # With KASAN, lockdep and KCSAN, which the suites of "make check" don't have
    "kunit": ("make kunit", "KUnit suites"),
    "guest": ("scripts/guests", "Guests"),
    "boots": ("scripts/guests --kernel 6.12-4k boots", "What a guest's boot asks of the host"),
    "install": ("scripts/nightly/install", "Installation on Debian"),
    "fresh": ("scripts/nightly/fresh", "The first run on a new machine"),
    "libvirt": ("scripts/nightly/libvirt", "libvirt"),
    "coverage": ("scripts/nightly/coverage", "Coverage"),
    "defects": ("scripts/nightly/defects", "Defects of the in-tree driver"),
    "clients": ("make clients", "Clients that others wrote"),
    "bench": ("make bench", "Instructions"),
}

# Of a part on the page: that the last run failed, which stands first, and whose source is said
FAILED = re.compile(r"\AThe last run, .*\n*")
CHANGED = " (the module has changed since)"
SOURCE = re.compile(r"^((?:The last run|``.*``), [\d-]+, source ([\w.-]+))"
                    rf"(?:{re.escape(CHANGED)})?", re.M)

# Made of what "make bench" has said: the file, what it shows, and how it is drawn.
PICTURES = {
    "cost-regions.svg": ("instructions of a call for one page against the number of registered "
                         "regions, PowerNV and partition: the "
                         "in-tree driver's cost grows with them", plots.regions),
    "cost-tce.svg": ("instructions per TCE of MAP and UNMAP, for both versions, and of a guest's "
                     "hypercalls; both drivers, PowerNV and partition", plots.entries),
}


def commit(root: Path = ROOT) -> str:
    """Which source this is, as git names it."""
    done = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"],
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "unknown"


def machine() -> str:
    """What the emulated machines ran on."""
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"),
                      re.M)
    return f"{os.cpu_count()} processors{f', {model[1]}' if model else ''}"


# A command that measures loads this before it begins.
AT_START, BEGAN = commit(), time.monotonic()


def load(name: str, out: Path) -> dict[str, Any]:
    """What the command has left."""
    place = out / name / "result.json"
    return dict(json.loads(place.read_text(encoding="utf-8"))) if place.exists() else {}


def keep(name: str, out: Path, what: dict[str, Any]) -> None:
    place = out / name / "result.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def save(name: str, said: str, out: Path = paths.OUT, source: str = AT_START,
         minutes: float | None = None) -> None:
    """Keep what a complete run of the command that measures the part @name has said. @minutes: that
    it took, if not only this process"""
    keep(name, out, {"date": today(), "source": source, "machine": machine(),
                     "minutes": round(minutes or (time.monotonic() - BEGAN) / 60), "said": said})


def failed(name: str, line: str, out: Path = paths.OUT, source: str = AT_START) -> None:
    """Keep that a complete run failed, and the line that says so, beside the last good one."""
    keep(name, out,
         {**load(name, out), "failed": {"date": today(), "source": source, "line": line}})


def record(name: str, good: bool, said: str, line: str, source: str = AT_START) -> None:
    """Keep what a complete run has said, or that it failed, and the line that says so."""
    if good:
        save(name, said, source=source)
    else:
        failed(name, line, source=source)


def on_page(text: str) -> dict[str, str]:
    """What the page says of each part."""
    blocks = re.split(r"^(\S.*)\n=+\n\n", text, flags=re.M)
    by_title = dict(zip(blocks[1::2], blocks[2::2]))
    return {name: by_title.get(title, "").strip() for name, (_, title) in PARTS.items()}


def told(name: str, what: dict[str, Any]) -> str:
    """What the page says of a record: a run that failed, and the good one before it."""
    text = []
    if bad := what.get("failed"):
        line = bad["line"].replace("`", "'")
        text.append(f"The last run, {bad['date']}, source {bad['source']}, failed: ``{line}``")
    if "said" in what:
        if name == "bench":
            text.append("\n".join(f".. image:: {file}\n   :alt: {alt}"
                                  for file, (alt, _) in PICTURES.items()))
        took = f", in {what['minutes']} minutes" if what.get("minutes") else ""
        text += [f"``{PARTS[name][0]}``, {what['date']}, source {what['source']}, on "
                 f"{what['machine']}{took}::", textwrap.indent(what["said"].strip("\n"), "   ")]
    return "\n\n".join(text)


def newer(name: str, old: str, out: Path) -> str:
    """What the page says, unless the command has left something that is not older."""
    dates = re.search(r"\d{4}-\d\d-\d\d", old)
    last, new = dates[0] if dates else "", load(name, out)
    if "said" in new and new["date"] >= last:
        return told(name, new)
    if "failed" in new and new["failed"]["date"] >= last:
        return f"{told(name, {'failed': new['failed']})}\n\n{FAILED.sub('', old)}".strip()
    return old


def has_changed(source: str, root: Path = ROOT) -> bool:
    """Is the module of this source another one than that of the tree at hand, but for comments, or
    is the source unknown?"""
    def git(*args: str) -> str:
        return subprocess.run(["git", "-C", root, *args], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout

    try:
        files = git("diff", "--name-only", source, "--", ":(glob)*.[ch]", "compat", "Kbuild")
        return any(code_of(name, git("show", f"{source}:{name}"))
                   != code_of(name, (root / name).read_text()) for name in files.split())
    except (subprocess.CalledProcessError, FileNotFoundError):
        return True


def page(parts: dict[str, str], root: Path = ROOT) -> str:
    """Documentation/results.rst."""
    text = [".. SPDX-License-Identifier: GPL-2.0-only", "=======\nResults\n=======",
            "``make results`` writes this page from what the commands below have left in ``out/``. "
            "What a command has\n"
            "not measured again stays as it is. README quotes some of the figures. :doc:`kernels` "
            "has what was run by hand\n"
            "on RHEL's sources. All machines were emulated; the times are those of the machine "
            "that emulated them."]
    if missing := [f"``{command}``" for name, (command, _) in PARTS.items()
                   if "::\n\n   " not in parts[name]]:
        text.append(f"No complete run is recorded of {', '.join(missing)}.")
    for name, (_, title) in PARTS.items():
        if parts[name]:
            text.append(f"{title}\n{'=' * len(title)}\n\n{parts[name]}")
    return SOURCE.sub(lambda m: m[1] + CHANGED * has_changed(m[2], root),
                      "\n\n".join(text) + "\n")


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("save", nargs="?", choices=PARTS)
    p.add_argument("source", nargs="?", default=AT_START)
    p.add_argument("status", nargs="?", type=int, default=0)
    args = p.parse_args()
    if args.save:
        said = sys.stdin.read()
        record(args.save, not args.status, said, said.strip(), args.source)
        return 0
    place = ROOT / "Documentation/results.rst"
    old = on_page(place.read_text(encoding="utf-8"))
    parts = {name: newer(name, old[name], paths.OUT) for name in PARTS}
    place.write_text(page(parts), encoding="utf-8")
    (ROOT / "Documentation/memlock.svg").write_text(plots.locked(), encoding="utf-8")
    if parts["bench"]:
        figures = plots.figures(parts["bench"])
        for file, (_, draw) in PICTURES.items():
            (ROOT / "Documentation" / file).write_text(draw(figures), encoding="utf-8")
    say("results: Documentation/results.rst is written")
    return 0


if __name__ == "__main__":
    start(main, __doc__)
