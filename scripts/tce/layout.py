# SPDX-License-Identifier: GPL-2.0-only
"""The parts of the tree, held against each other."""
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tce.module import objects
from tce.paths import ROOT

# Headers that belong to a file of another name, and those that are for all
FILE_OF = {"tce_entry": "tce_table", "tce_mm": "tce_process"}
ANYWHERE = {"tce_trace", "tce_page"}

FUNCTION = re.compile(r"`(\w+)\(\)`")
PLACE = re.compile(r"`((?:(?:scripts|kunit|selftests|litmus|compat|Documentation)/[\w./-]*|tce_\w+\.[ch](?!\w)))")


def layers(root: Path) -> Iterator[str]:
    """Includes that go up."""
    order = [source.removesuffix(".c") for source in objects((root / "Kbuild").read_text(encoding="utf-8")).values()]
    place = {name: i for i, name in enumerate(order)} | {header: order.index(name) for header, name in FILE_OF.items() if name in order}
    for path in sorted(root.glob("*.[ch]")):
        own = re.sub(r"_inline$", "", path.stem)
        if own in ANYWHERE or path.name.endswith(".mod.c"):
            continue
        if own not in place:
            yield f"{path.name}: Kbuild lists no {own}.c"
            continue
        for header in re.findall(r'^#include "(\w+?)(?:_inline)?\.h"', path.read_text(encoding="utf-8"), re.M):
            if header not in ANYWHERE and place.get(header, -1) < place[own]:
                yield f"{path.name}: includes {header}.h, which is above it"


def names(root: Path) -> Iterator[str]:
    """What documents name and the tree does not have."""
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    files = [path for path in files if not path.parts[0].startswith((".git", "out"))]
    code = " ".join((root / path).read_text(encoding="utf-8", errors="replace") for path in files
                    if path.suffix in (".c", ".h", ".sh", ".py", "") and path.parts[:2] != ("scripts", "tests"))
    words, known = set(re.findall(r"\w+", code)), [str(path) for path in files]
    for page in sorted(path for path in files if path.suffix in (".md", ".rst")):
        for n, line in enumerate((root / page).read_text(encoding="utf-8").splitlines(), 1):
            lost = [f"{name}()" for name in FUNCTION.findall(line) if name not in words]
            for place in PLACE.findall(line):
                end = place.rstrip("./")
                if not any(name == end or name.startswith(f"{end}/") or name.endswith(f"/{end}") for name in known):
                    lost.append(place)
            yield from (f"{page}:{n}: there is no {what}" for what in lost)


def main(doc: str) -> int:
    if len(sys.argv) > 2:
        print(doc, file=sys.stderr)
        return 2
    root = Path(sys.argv[1]) if len(sys.argv) == 2 else ROOT
    wrong = [*layers(root), *names(root)]
    print("\n".join([*wrong, f">> check-tree: {len(wrong)} complaints"]))
    return 1 if wrong else 0
