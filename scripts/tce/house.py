# SPDX-License-Identifier: GPL-2.0-only
"""The plan of rooms, held against the module's sources; and the sizes, against those of the tests as well."""
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tce.module import objects
from tce.paths import ROOT

MAX_FILE = 600
MAX_FUNCTION = 60
# Headers that are named otherwise than their rooms
ROOM_OF = {"tce_entry.h": "tce_table", "tce_mm.h": "tce_process"}
# No room: for all
ANYWHERE = {"tce_trace.h", "tce_page.h"}
# selftests/lib, from its top down: each file calls only what is below it
LIBRARY = ["test", "tce", "edu", "vfio", "host", "mem", "result"]
FUNCTION = re.compile(r"^(?!static_assert|DEFINE|DECLARE|TRACE)(\w[^;{}#=]*?\b(\w+)\([^;{}]*\))\n\{\n(.*?)^\}", re.M | re.S)


def rooms(kbuild: str) -> list[str]:
    """The rooms in Kbuild's order."""
    return [source.removesuffix(".c") for source in objects(kbuild).values()]


def room_of(name: str) -> str:
    """The room that a file belongs to."""
    return ROOM_OF.get(name) or re.sub(r"(_inline)?\.[ch]$", "", name)


def uncommented(text: str) -> str:
    """@text without comments, line by line the same."""
    return re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)


def check_sizes(name: str, text: str) -> Iterator[str]:
    """Files and functions that are too long."""
    lines = text.count("\n")
    if lines > MAX_FILE:
        yield f"{name}: {lines} lines, more than {MAX_FILE}"
    for match in FUNCTION.finditer(uncommented(text)):
        length = match[0].count("\n") + 1
        if length > MAX_FUNCTION:
            yield f"{name}: {match[2]}() has {length} lines, more than {MAX_FUNCTION}"


def check_opening(name: str, text: str) -> Iterator[str]:
    """What the comment at the top of a .c file has to say."""
    opening = re.search(r"/\*.*?\*/", text.split("\n", 1)[1] if "\n" in text else "", re.S)
    said = opening[0] if opening else ""
    for word in ("Locks", "Never fails"):
        if word not in said:
            yield f"{name}: does not say at its top: {word}"


def check_includes(files: dict[str, str], order: list[str], plan: str = "Kbuild") -> Iterator[str]:
    """Includes that go up or round; a room that the plan does not list."""
    place = {room: i for i, room in enumerate(order)}
    for name, text in files.items():
        if name in ANYWHERE:
            continue
        own = room_of(name)
        if own not in place:
            yield f"{name}: {plan} has no such room"
            continue
        for header in re.findall(r'^#include "([^"/]+)"', text, re.M):
            other = room_of(header)
            if header in ANYWHERE or other == own:
                continue
            if other not in place:
                yield f"{name}: includes {header}, whose room {plan} does not list"
            elif place[other] < place[own]:
                yield f"{name}: includes {header}, which is above it"


def check(root: Path) -> tuple[list[str], int]:
    """What is wrong with the house, and how many files it has."""
    files = {path.name: path.read_text() for path in sorted(root.glob("*.[ch]")) if not path.name.endswith(".mod.c")}
    order = rooms((root / "Kbuild").read_text())
    wrong = list(check_includes(files, order))
    for name, text in files.items():
        wrong += check_sizes(name, text)
        if name.endswith(".c"):
            wrong += check_opening(name, text)
    wrong += [f"Kbuild lists {room}, which is no file" for room in order if f"{room}.c" not in files]
    suites = sorted((root / "kunit").glob("*.[ch]"))
    for path in suites:
        wrong += check_sizes(f"kunit/{path.name}", path.read_text())
    if not suites:
        wrong.append("kunit/: no file")
    return wrong, len(files) + len(suites)


def check_selftests(root: Path) -> tuple[list[str], int]:
    """The same of the test programs: sizes of all files, the order of their library."""
    files = {path.relative_to(root): path.read_text() for path in sorted(root.glob("selftests/**/*.[ch]"))}
    library = {path.name: text for path, text in files.items() if path.parent == Path("selftests/lib")}
    wrong = [f"selftests/lib/{text}" for text in check_includes(library, LIBRARY, "LIBRARY")]
    wrong += [f"LIBRARY lists {room}, which is no file" for room in LIBRARY if f"{room}.c" not in library]
    for path, text in files.items():
        wrong += check_sizes(str(path), text)
    return wrong, len(files)


def main(doc: str) -> int:
    if len(sys.argv) > 2:
        print(doc, file=sys.stderr)
        return 2
    root = Path(sys.argv[1]) if len(sys.argv) == 2 else ROOT
    wrong, files = check(root)
    wrong_tests, tests = check_selftests(root)
    wrong += wrong_tests
    for text in wrong:
        print(text)
    print(f">> check-house: {files} files, {tests} of selftests/, {len(wrong)} complaints")
    return 1 if wrong or not files or not tests else 0
