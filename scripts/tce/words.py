# SPDX-License-Identifier: GPL-2.0-only
"""The words of documents and comments: how long their sentences are, and whether what documents name is there."""
import re
import shlex
import subprocess
from collections.abc import Collection
from pathlib import Path

from tce.cli import parser
from tce.ctext import COMMENT, STRING
from tce.paths import ROOT

# The bounds of each document.
AVERAGE = 15.0
LONG = 25
LONG_PART = 0.05

FIGURES = re.compile(r"^(\.\. |<!-- )figures: \S+.*?^\1end of figures.*?$", re.M | re.S)
# Directives whose contents are prose; those of all others are not.
PROSE = ("note", "warning", "important", "tip")
LITERAL = re.compile(r"``.+?``|`[^`\n]+`_?_?|:\w+:`[^`]+`", re.S)
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
# Full stops that end no sentence.
SHORT = re.compile(r"\b(?:e\.g|i\.e|cf|etc|vs|No)\.(?=\s)|(?<=\d)\.(?=\d)")
END = re.compile(r"(?<=[.!?])[)\"'*_]*\s+")
WORD = re.compile(r"[^\W_]", re.U)
# "@name:", "name() -", "Return:", "Context:" and the like, at the beginning of a line
KERNEL_DOC = re.compile(r"(?:(?:struct |enum )?[\w&.>-]+(?:\(\))? - |@[\w.]+:|(?:Return|Context|Locks?|Never fails):)\s*")
ITEM = re.compile(r"^(?:[*+-]|\d+\.|[A-Z]{1,2}[.:]|#\.)\s+")
SIMPLE_TABLE = re.compile(r"^\s*=+(?: +=+)+\s*$")

# What a document says that there is: functions, and files of these directories or of the module.
FUNCTION = re.compile(r"`(\w+)\(\)`")
PLACE = re.compile(r"`((?:(?:scripts|kunit|selftests|litmus|compat|Documentation)/[\w./-]*|tce_\w+\.[ch](?!\w)))")


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def skip_indented(lines: list[str], i: int, above: int) -> int:
    """The first line from @i on that is not blank and not deeper than @above."""
    while i < len(lines) and (not lines[i].strip() or indent(lines[i]) > above):
        i += 1
    return i


def skip_table(lines: list[str], i: int) -> int:
    """The last line of the simple table that begins at @i: it has rules above, below its head, and at its end."""
    rules = 0
    while i + 1 < len(lines):
        rules += bool(SIMPLE_TABLE.match(lines[i]))
        if SIMPLE_TABLE.match(lines[i]) and (rules == 3 or (rules == 2 and not lines[i + 1].strip())):
            break
        i += 1
    return i


def rst_paragraphs(text: str) -> list[str]:
    """The paragraphs of prose in reStructuredText."""
    lines, i, depth = text.splitlines(), 0, 0
    out: list[str] = []
    now: list[str] = []

    def flush() -> None:
        if now:
            out.append(" ".join(now))
            now.clear()

    while i < len(lines):
        line = lines[i]
        bare = line.strip()
        following = lines[i + 1].strip() if i + 1 < len(lines) else ""
        if not bare:
            flush()
        elif SIMPLE_TABLE.match(line):
            flush()
            i = skip_table(lines, i)
        elif bare.startswith(".. "):
            flush()
            m = re.match(r"\.\. ([\w-]+)::", bare)
            end = skip_indented(lines, i + 1, indent(line))
            if not m or m[1] not in PROSE:
                i = end
                continue
        elif re.match(r":[\w-]+:(?:\s|$)", bare):
            flush()
        elif re.fullmatch(r"([=\-~^\"#*+])\1{2,}", bare):
            flush()
        elif following and re.fullmatch(r"([=\-~^\"#*+])\1{2,}", following) and not now:
            i += 1      # a heading
        else:
            if now and indent(line) < depth:
                flush()         # the next item of a list of definitions
            depth = indent(line)
            if ITEM.match(bare):
                flush()
                bare = ITEM.sub("", bare)
            if following and i + 1 < len(lines) and indent(lines[i + 1]) > indent(line) and not now and not bare.endswith("::") \
                    and not ITEM.match(line.strip()):
                # the term of a definition: no sentence
                i += 1
                continue
            if bare.endswith("::"):
                now.append(bare[:-1])
                flush()
                i = skip_indented(lines, i + 1, indent(line))
                continue
            now.append(bare)
        i += 1
    flush()
    return out


def markdown_paragraphs(text: str) -> list[str]:
    """The paragraphs of prose in Markdown."""
    text = re.sub(r"<!--.*?-->", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), flags=re.S)
    code = True
    out: list[str] = []
    now: list[str] = []

    def flush() -> None:
        if now:
            out.append(" ".join(now))
            now.clear()

    for line in text.splitlines():
        bare = line.strip()
        if not bare:
            flush()
            code = True
        elif bare.startswith(("#", "|", "![", "<")):
            flush()
        elif line.startswith("    ") and code:
            flush()
        else:
            code = False
            if ITEM.match(bare):
                flush()
                bare = ITEM.sub("", bare)
            now.append(bare)
    flush()
    return out


def comment_paragraphs(text: str) -> list[str]:
    """The paragraphs of prose in the comments of C. kernel-doc's parts are paragraphs, and its names no words."""
    out: list[str] = []
    for comment in re.finditer(rf"{STRING}|({COMMENT})", text, re.S):
        if not comment[1] or "SPDX-License-Identifier" in comment[1]:
            continue
        lines = [re.sub(r"^[ \t]*\*(?: |$|/$)?", "", line)
                 for line in re.sub(r"^(?:/\*+|//)|\*/$", "", comment[1]).splitlines()]
        now: list[str] = []
        returned, i = False, 0
        while i < len(lines):
            bare = lines[i].strip()
            part = KERNEL_DOC.match(bare) or ITEM.match(bare)
            # a line with a tab is one of a table
            if not bare or part or "\t" in bare or (i and "\t" in lines[i - 1]):
                out.append(" ".join(now))
                now = []
            if part:
                # what may be returned is a list
                returned = part[0].startswith("Return")
                bare = bare[part.end():]
            if returned:
                bare = bare.replace("; ", ". ")
            i += 1
            if bare.endswith("::"):
                out.append(" ".join([*now, bare[:-1]]))
                now = []
                i = skip_indented(lines, i, indent(lines[i - 1]))
            elif bare:
                now.append(bare)
        out.append(" ".join(now))
    return [paragraph for paragraph in out if paragraph]


def roff_paragraphs(text: str) -> list[str]:
    """The paragraphs of prose in a manual page."""
    paragraphs: list[list[str]] = [[]]
    code, tag = False, False
    for line in text.splitlines():
        m = re.match(r"\.(\w+)(?: (.*))?$", line)
        request = m[1] if m else ""
        if request in ("nf", "fi"):
            code = request == "nf"
        if line.startswith(".") and not re.fullmatch("[BIR]{1,2}", request):
            paragraphs.append([])       # no text, but the end of some
        elif not code and not tag:
            words = shlex.split(m[2] or "") if m else [line]
            paragraphs[-1].append(("" if len(request) == 2 else " ").join(words).replace("\\", ""))
        tag = request == "TP"
    return [" ".join(paragraph) for paragraph in paragraphs if paragraph]


READERS = {".md": markdown_paragraphs, ".c": comment_paragraphs, ".h": comment_paragraphs, ".4": roff_paragraphs}


def sentences(path: str | Path, text: str) -> list[tuple[int, str]]:
    """The number of words, and the text, of each sentence of a document."""
    text = FIGURES.sub("", text)
    paragraphs = READERS.get(Path(path).suffix, rst_paragraphs)(text)
    found = []
    for paragraph in paragraphs:
        plain = LITERAL.sub("literal", LINK.sub(r"\1", paragraph))
        plain = SHORT.sub(lambda m: m[0].replace(".", ""), plain)
        for sentence in END.split(plain):
            words = sum(bool(WORD.search(word)) for word in sentence.split())
            if words:
                found.append((words, sentence))
    return found


def tree() -> tuple[list[str], set[str]]:
    """(names of the files that git knows, all words in those that are code)"""
    done = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT,
                          stdout=subprocess.PIPE, text=True, check=True)
    names = [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    words: set[str] = set()
    for name in names:
        if not name.endswith((".md", ".rst", ".svg")) and not name.startswith(("litmus/", "scripts/data/", "scripts/tests/")):
            words.update(re.findall(r"\w+", (ROOT / name).read_text(encoding="utf-8", errors="replace")))
    return names, words


def unknown(text: str, names: Collection[str], words: Collection[str]) -> list[tuple[int, str]]:
    """What a document names and the tree does not have: (line, what)"""
    found: list[tuple[int, str]] = []
    for n, line in enumerate(text.splitlines(), 1):
        found += [(n, f"{m[1]}()") for m in FUNCTION.finditer(line) if m[1] not in words]
        for m in PLACE.finditer(line):
            place = m[1].rstrip(".")
            if not any(name == place or name.startswith(f"{place.rstrip('/')}/") or name.endswith(f"/{place}") for name in names):
                found.append((n, place))
    return found


def documents() -> list[Path]:
    """All documents, and the module's sources: what is generated is not among them."""
    return sorted(f for pattern in ("*.md", "*.rst", "*/*.md", "*/*.rst", "*/*.4", "*.[ch]", "compat/*.h") for f in ROOT.glob(pattern)
                  if f.relative_to(ROOT).parts[0] != "out")


def judge(path: str | Path, text: str) -> tuple[int, float, list[str], list[str]]:
    """(sentences, their average length, those that are too long, what is wrong)"""
    found = sentences(path, text)
    if not found:
        return 0, 0.0, [], []
    average = sum(words for words, _ in found) / len(found)
    too_long = [sentence for words, sentence in found if words > LONG]
    wrong = []
    if average > AVERAGE:
        wrong.append(f"{average:.1f} words a sentence, more than {AVERAGE:.0f}")
    if len(too_long) > LONG_PART * len(found):
        wrong.append(f"{len(too_long)} of {len(found)} sentences have more than {LONG} words, which is more than"
                     f" {100 * LONG_PART:.0f} %")
    return len(found), average, too_long, wrong


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--long", action="store_true", help="print the long sentences")
    p.add_argument("file", nargs="*", type=Path)
    args = p.parse_args()
    status, total, length, long_ones = 0, 0, 0.0, 0
    names, words = tree()
    for path in args.file or documents():
        if not path.is_file():
            p.error(f"{path} is no file")
        document = path.read_text(encoding="utf-8")
        n, average, too_long, wrong = judge(path, document)
        name = path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path
        print(f"{str(name):32} {n:5} sentences {average:6.1f} words {len(too_long):4} long")
        for sentence in too_long if args.long or wrong else ():
            print(f"     long: {sentence}")
        if path.suffix not in (".c", ".h"):
            wrong += [f"line {line}: there is no {what}" for line, what in unknown(document, names, words)]
        for text in wrong:
            print(f"!! {name}: {text}")
            status = 1
        total, length, long_ones = total + n, length + n * average, long_ones + len(too_long)
    if not total:
        print("!! there is no sentence in these documents, which can't be")
        return 1
    print(f">> check-words: {total} sentences, {length / total:.1f} words on average,"
          f" {100 * long_ones / total:.1f} % have more than {LONG}; {'nothing' if not status else 'something'} is wrong")
    return status

