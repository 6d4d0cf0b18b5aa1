# SPDX-License-Identifier: GPL-2.0-only
"""The measured figures in the documents: blocks that commands write, stamp and judge."""
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tce.cli import die, parser, say
from tce.paths import ROOT, SCRIPTS
from tce.tables import wrapped

# Block, document, and the command that writes it (with --write).
BLOCKS = {
    "check": ("README.md", "check"),
    "matrix": ("README.md", "check --matrix"),
    "kernels": ("Documentation/kernels.rst", "check --kernels"),
    "defects": ("Documentation/security.rst", "defects"),
    "races": ("Documentation/security.rst", "races"),
    "fuzz-million": ("Documentation/security.rst", "fuzz --million"),
    "fuzz-wrong": ("Documentation/security.rst", "fuzz --wrong"),
    "check-guest": ("Documentation/passthrough.rst", "check-guest"),
    "install-trixie": ("Documentation/installation.rst", "check-install trixie"),
    "install-bookworm": ("Documentation/installation.rst", "check-install bookworm"),
    "bench": ("Documentation/figures-bench.rst", "bench"),
    "bench-older": ("Documentation/figures-bench.rst", "bench --only 6.1-64k-powernv9"),
    "profile": ("Documentation/figures-bench.rst", "bench --profile"),
    "mutation": ("Documentation/testing.rst", "mutation"),
    "coverage": ("Documentation/testing.rst", "coverage"),
    "kunit": ("kunit/README.rst", "kunit"),
}

# These are not measured: what the command prints is what they have to be.
DERIVED = {"matrix"}
BLOCK = re.compile(r"^(\.\. |<!-- )figures: (\S+)(?: -->)?\n(.*?)^\1end of figures(?: -->)?$", re.M | re.S)
MARK = re.compile(r"^(?:\.\. |<!-- )(?:figures: |end of figures).*$", re.M)
STAMP = re.compile(r"^\*Measured\s+on\s+(?:source\s+([0-9a-f]{12}),\s+\d{4}-\d\d-\d\d|a\s+source\s+before\s+(\d{4}-\d\d-\d\d))"
                   r"(?:,\s[^*]*)?\.\*$", re.M)

# What nobody renews when the module changes.
NUMBER = r"(?:\d[\d,.]*|an?|one|two|three|four|five|six|seven|eight|nine|ten|half an|quarter of an)"
CLAIMS = re.compile("|".join((
    r"\bas (?:it|they) (?:is|are|stands?)\b(?! by)", r"\b(?:last|latest) (?:runs?|figures|results)\b", r"\blast (?:ran|run|measured)\b",
    r"\bof one day\b", r"\b(?:as of|at) (?:now|present|the moment)\b", r"\bcurrently\b", r"\btoday\b",
    rf"\b{NUMBER} (?:minutes?|hours?)\b", r"\b\d[\d.,]* (?:GB|ioctls)\b",
    r"\b\d[\d,]* (?:(?:tests|rows|cases|mutants|of) )?(?:passed|caught|failed)\b",
    r"\b\d[\d,.]* (?:\w+ )?instructions\b(?! per)", r"\b\d+\.\d+ (?:%|per cent|percent)", r"\b\d[\d,]* of \d[\d,]*\b",
)).replace(" ", r"\s+"), re.I)
COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|/\*.*?\*/|//[^\n]*', re.S)


def bare(name: str, text: str) -> str:
    """A source file without its comments, its blank lines, and the width of its white space."""
    if name.endswith((".c", ".h")):
        text = COMMENT.sub(lambda m: m[1] or " ", text)
    else:
        text = re.sub(r"#.*", "", text)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def source_id(root: Path = ROOT) -> str:
    """Which module this is: 12 digits."""
    files = {root / "Kbuild", *root.glob("tce_*.[ch]"), *root.glob("vfio_iommu_spapr_tce.c"), *root.glob("compat/*.h")}
    digest = hashlib.sha256()
    for name, file in sorted((str(f.relative_to(root)), f) for f in files):
        digest.update(f"{name}\n{bare(name, file.read_text(encoding='utf-8'))}\n\n".encode())
    return digest.hexdigest()[:12]


# A command that measures loads this before it begins.
AT_START = source_id()


def took(start: float) -> str:
    """How long it was since @start, of time.monotonic(), and on what."""
    seconds = round(time.monotonic() - start)
    what = f"{round(seconds / 60)} minutes" if seconds >= 90 else f"{seconds} seconds"
    return f"{what} on {os.cpu_count()} processors"


def write(name: str, text: str, where: Iterable[str] = (), source: str = AT_START, root: Path = ROOT) -> None:
    """Renew the block @name of the documents; @source: what was measured."""
    path, command = BLOCKS[name]
    parts = [text.strip("\n")]
    if name not in DERIVED:
        if source != source_id(root):
            die(f"{name}: the module's source was changed while it was measured: nothing is written")
        known = ", ".join(dict.fromkeys(where))
        parts.append(wrapped(f"*Measured on source {source}, {time.strftime('%Y-%m-%d', time.gmtime())}"
                             f"{', ' + known if known else ''}.*"))
    # Several commands may write to one document at a time.
    with open(root / path, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        old = file.read()
        body = "\n\n".join(parts)

        def renew(m: re.Match[str]) -> str:
            if m[2] != name:
                return m[0]
            close = " -->" if m[1] == "<!-- " else ""
            return f"{m[1]}figures: {name}{close}\n\n{body}\n\n{m[1]}end of figures{close}"

        if name not in [m[2] for m in BLOCK.finditer(old)]:
            die(f"{path} has no block {name}")
        new = BLOCK.sub(renew, old)
        file.seek(0)
        file.write(new)
        file.truncate()
    say(f"figures: {name} is written to {path}")


def block(name: str, root: Path = ROOT) -> str:
    """What the documents say in a block."""
    text = (root / BLOCKS[name][0]).read_text(encoding="utf-8")
    return next(m[3] for m in BLOCK.finditer(text) if m[2] == name)


def documents(root: Path = ROOT) -> list[str]:
    return sorted(str(f.relative_to(root)) for pattern in ("*.md", "*.rst", "*/*.md", "*/*.rst") for f in root.glob(pattern)
                  if f.relative_to(root).parts[0] != "out")


def place(path: str, text: str, at: int) -> str:
    """FILE:LINE of a character."""
    return f"{path}:{text.count(chr(10), 0, at) + 1}"


def judge(texts: Mapping[str, str], current: str, derived: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """(what is wrong, what is older than the module): lists of sentences.
    @texts: {document: text}; @derived: {block: what it has to be}."""
    wrong: list[str] = []
    older: list[str] = []
    found: set[str] = set()
    for path, text in texts.items():
        for m in BLOCK.finditer(text):
            name, body = m[2], m[3]
            if BLOCKS.get(name, ("",))[0] != path or name in found:
                wrong.append(f"{place(path, text, m.start())}: a block {name} does not belong here")
                continue
            found.add(name)
            stamps = STAMP.findall(body)
            if MARK.search(body):
                wrong.append(f"{place(path, text, m.start())}: the block {name} has no end")
            elif not STAMP.sub("", body).strip():
                wrong.append(f"{place(path, text, m.start())}: the block {name} says nothing")
            elif name in DERIVED:
                if body.strip() != derived[name].strip():
                    wrong.append(f"{place(path, text, m.start())}: the block {name} is not what scripts/{BLOCKS[name][1]} prints:"
                                 f" add --write to it")
            elif len(stamps) != 1:
                wrong.append(f"{place(path, text, m.start())}: the block {name} does not say, once, on what it was measured")
            elif stamps[0][0] != current:
                what = f"source {stamps[0][0]}" if stamps[0][0] else f"a source before {stamps[0][1]}"
                older.append(f"{name} in {path}, of {what} (scripts/{BLOCKS[name][1]} --write)")
        # Blocks stay as lines, so that places can be told.
        outside = BLOCK.sub(lambda m: "\n" * m[0].count("\n"), text)
        for m in MARK.finditer(outside):
            wrong.append(f"{place(path, outside, m.start())}: not a block: {m[0]}")
        for m in CLAIMS.finditer(outside):
            wrong.append(f"{place(path, outside, m.start())}: nobody renews this outside of a block of figures: {' '.join(m[0].split())}")
    wrong += [f"{path}: there is no block {name}" for name, (path, _) in BLOCKS.items() if name not in found]
    return wrong, older


def check() -> int:
    derived = {}
    for name in DERIVED:
        script, *options = BLOCKS[name][1].split()
        done = subprocess.run([SCRIPTS / script, *options], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            die(f"scripts/{BLOCKS[name][1]} failed")
        derived[name] = done.stdout
    current = source_id()
    wrong, older = judge({path: (ROOT / path).read_text(encoding="utf-8") for path in documents()}, current, derived)
    for text in older:
        print(f"note: older than the module: {text}")
    for text in wrong:
        print(f"!! {text}")
    print(f">> figures: {len(BLOCKS)} blocks, {len(older)} older than the module, which is source {current}; {len(wrong)} complaints")
    return 1 if wrong else 0


def main(doc: str) -> int:
    p = parser(doc)
    sub = p.add_subparsers(dest="command", required=True)
    sub.add_parser("id")
    sub.add_parser("check")
    w = sub.add_parser("write")
    w.add_argument("name", choices=BLOCKS)
    w.add_argument("source")
    w.add_argument("where", nargs="*")
    args = p.parse_args()
    if args.command == "id":
        print(source_id())
    elif args.command == "check":
        return check()
    else:
        text = sys.stdin.read()
        if not text.strip():
            die(f"{args.name}: no figures on standard input")
        write(args.name, text, args.where, args.source)
    return 0
