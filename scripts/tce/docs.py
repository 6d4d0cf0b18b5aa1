# SPDX-License-Identifier: GPL-2.0-only
"""Which C declarations have no kernel-doc comment."""
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

COMMENT = re.compile(r"/\*.*?\*/", re.S)
DIRECTIVE = re.compile(r"^#(?:.*\\\n)*.*$", re.M)
TYPE = re.compile(r"^(?:static |const )*(struct|enum|union) (\w+) \{", re.M)

# A function's head begins at the start of a line and its body's brace, too.
FUNCTION = re.compile(r"^(?!(?:struct|enum|union) \w+ \{)(\w[\w \t\n*]*?)\b(\w+)\(([^;{}]*)\)\s*\n\{", re.M)
DOCUMENTED = re.compile(r"^\.\. c:(?:type:: (?:struct|enum|union) |function:: .*?)(\w+)(?: \(.*)?$", re.M)


def needed(text: str, header: bool) -> list[str]:
    """Names of what must have a kernel-doc comment in the text of a C file."""
    text = DIRECTIVE.sub("", COMMENT.sub("", text))
    names = [name for _, name in TYPE.findall(text)]
    for before, name, _ in FUNCTION.findall(text):
        if "static" not in before.split() or (header and "inline" in before):
            names.append(name)
    return names


def missing(text: str, header: bool, documented: Collection[str]) -> list[str]:
    return [name for name in needed(text, header) if name not in documented]


def main(doc: str) -> int:
    if len(sys.argv) < 3 or not Path(sys.argv[1]).exists():
        print(doc, file=sys.stderr)
        return 2
    script, files = sys.argv[1], sys.argv[2:]
    status, total = 0, 0
    done = subprocess.run(["perl", script, "-none", "-Wall", "-Werror", *files])
    if done.returncode:
        status = 1
    for file in files:
        # Another version of Sphinx would get other words; which is installed does not matter here.
        said = subprocess.run(["perl", script, "-rst", "-sphinx-version", "2.4.4", file], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        documented = set(DOCUMENTED.findall(said.stdout))
        text = Path(file).read_text()
        total += len(needed(text, file.endswith(".h")))
        for name in missing(text, file.endswith(".h"), documented):
            print(f"{file}: {name} has no kernel-doc comment")
            status = 1
    if not total:
        print("check-docs: nothing in these files needs a comment, which can't be", file=sys.stderr)
        return 2
    return status
