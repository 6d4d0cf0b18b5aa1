# SPDX-License-Identifier: GPL-2.0-only
"""What commands measure: kept in out/NAME/result.json, and put into Documentation/results.rst.

Such a command leaves out/NAME/result.json when all of it has run and nothing has failed: an
object with "date", "source", "machine" and what it "said". If something has failed, "failed" is
added, with "date", "source" and the last "line". What is not there stays on the page as it is. A
result is marked if the module has changed since. In bash, results of lib.sh:

    results                              write the page and its pictures ("make results")
    results [--failed] NAME [SOURCE]     keep what a shell script says, on standard input

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

# What is recorded of a part: its last good run, and a later one that failed, with the names of the
# expressions' groups
Record = dict[str, dict[str, str]]
SOURCE = r"(?P<date>[\d-]+), source (?P<source>[\w.-]+)(?: \([^()]*\))?"
FORMS = {
    "failed": re.compile(rf"^The last run, {SOURCE}, failed: ``(?P<line>.*)``$", re.M),
    "good": re.compile(rf"^``.*``, {SOURCE}, on (?P<machine>.*?)(?:, in (?P<minutes>\d+) "
                       r"minutes)?::\n\n(?P<said>(?:(?:   .*)?\n)+)", re.M),
}

# Made of what "make bench" has said: the file, what it shows, and how it is drawn.
PICTURES = {
    "cost-regions.svg": ("instructions of a call for one page against the number of registered "
                         "regions, PowerNV and partition: the "
                         "in-tree driver's cost grows with them", plots.regions),
    "cost-tce.svg": ("instructions per TCE of MAP and UNMAP, for both versions, both drivers, "
                     "PowerNV and partition", plots.entries),
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


def keep(name: str, out: Path, what: dict[str, object]) -> None:
    place = out / name / "result.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")


def load(name: str, out: Path) -> dict[str, object]:
    place = out / name / "result.json"
    return dict(json.loads(place.read_text(encoding="utf-8"))) if place.exists() else {}


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


def record(name: str, good: bool, said: str, line: str) -> None:
    """Keep what a complete run has said, or that it failed, and the line that says so."""
    if good:
        save(name, said)
    else:
        failed(name, line)


def found(name: str, out: Path) -> Record:
    """What the command has left."""
    good = load(name, out)
    bad = good.pop("failed", {})
    assert isinstance(bad, dict)
    return {kind: {key: str(value) for key, value in what.items()}
            for kind, what in (("failed", bad), ("good", good)) if what}


def on_page(text: str) -> dict[str, Record]:
    """What the page has of each part."""
    blocks = re.split(r"^(\S.*)\n=+\n\n", text, flags=re.M)
    by_title = dict(zip(blocks[1::2], blocks[2::2]))
    records: dict[str, Record] = {}
    for name, (_, title) in PARTS.items():
        matches = ((kind, form.search(by_title.get(title, ""))) for kind, form in FORMS.items())
        records[name] = {kind: {key: value or "" for key, value in m.groupdict().items()}
                         for kind, m in matches if m}
        if "good" in records[name]:
            records[name]["good"]["said"] = re.sub("^   ", "", records[name]["good"]["said"],
                                                   flags=re.M)
    return records


def newer(old: Record, new: Record) -> Record:
    """What the page has, unless a command has left something that is not older."""
    last = max((what["date"] for what in old.values()), default="")
    if "good" in new and new["good"]["date"] >= last:
        return new
    if "failed" in new and new["failed"]["date"] >= last:
        return {**old, "failed": new["failed"]}
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


def page(records: dict[str, Record], root: Path = ROOT) -> str:
    """Documentation/results.rst."""
    def when(what: dict[str, str]) -> str:
        changed = " (the module has changed since)" * has_changed(what["source"], root)
        return f"{what['date']}, source {what['source']}{changed}"

    text = [".. SPDX-License-Identifier: GPL-2.0-only", "=======\nResults\n=======",
            "``make results`` writes this page from what the commands below have left in ``out/``. "
            "What a command has\n"
            "not measured again stays as it is. README quotes some of the figures. :doc:`kernels` "
            "has what was run by hand\n"
            "on RHEL's sources. All machines were emulated; the times are those of the machine "
            "that emulated them."]
    if missing := [f"``{command}``" for name, (command, _) in PARTS.items()
                   if "good" not in records[name]]:
        text.append(f"No complete run is recorded of {', '.join(missing)}.")
    for name, (command, title) in PARTS.items():
        if records[name]:
            text.append(f"{title}\n{'=' * len(title)}")
        if bad := records[name].get("failed"):
            text.append(
                f"The last run, {when(bad)}, failed: ``{bad['line'].replace('`', chr(39))}``")
        if good := records[name].get("good"):
            if name == "bench":
                text.append("\n".join(f".. image:: {file}\n   :alt: {alt}"
                                      for file, (alt, _) in PICTURES.items()))
            took = (f", in {good['minutes']} minutes" if good.get("minutes", "") not in ("", "0")
                    else "")
            text += [f"``{command}``, {when(good)}, on {good['machine']}{took}::",
                     textwrap.indent(good["said"].strip("\n"), "   ")]
    return "\n\n".join(text) + "\n"


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--failed", action="store_true")
    p.add_argument("save", nargs="?", choices=PARTS)
    p.add_argument("source", nargs="?", default=AT_START)
    args = p.parse_args()
    if args.failed and args.save:
        failed(args.save, sys.stdin.read().strip(), source=args.source)
        return 0
    if args.save:
        save(args.save, sys.stdin.read(), source=args.source)
        return 0
    place = ROOT / "Documentation/results.rst"
    old = on_page(place.read_text(encoding="utf-8"))
    records = {name: newer(old[name], found(name, paths.OUT)) for name in PARTS}
    place.write_text(page(records), encoding="utf-8")
    (ROOT / "Documentation/memlock.svg").write_text(plots.locked(), encoding="utf-8")
    if "good" in records["bench"]:
        figures = plots.figures(records["bench"]["good"]["said"])
        for file, (_, draw) in PICTURES.items():
            (ROOT / "Documentation" / file).write_text(draw(figures), encoding="utf-8")
    kept = [name for name in PARTS if records[name] and records[name] == old[name]]
    say("results: Documentation/results.rst is "
        f"written{', and as it was: ' + ', '.join(kept) if kept else ''}")
    return 0


if __name__ == "__main__":
    start(main, __doc__)
