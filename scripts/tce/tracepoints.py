# SPDX-License-Identifier: GPL-2.0-only
"""The tracepoints and the refusals, held against their page and their tests."""
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tce.ctext import without_comments
from tce.paths import ROOT

PAGE = "Documentation/tracepoints.rst"
UNMET = "scripts/data/refusals.unmet"
# Errnos that go up without a check: see tce_refusal.h.
PLAIN = {"EINTR", "EAGAIN"}
# init_module() is no call of a client's; and two say no, and each caller why.
EXEMPT = {"tce_container_init", "tce_region_unlist", "tce_region_release"}
ROOM = 24       # of the field "reason"

Table = dict[str, list[str]]


def checks(header: str) -> list[str]:
    """The checks of TCE_WHYS(), in their order."""
    found = re.search(r"#define TCE_WHYS\(WHY\)(.*?[^\\])\n", header, re.S)
    return re.findall(r"WHY\((\w+)\)", found[1]) if found else []


def refused(sources: dict[str, str]) -> dict[str, set[str]]:
    """{check: errnos that the code gives to it}; those of others are not known."""
    found: dict[str, set[str]] = {}
    for text in sources.values():
        for name, errno in re.findall(r"TCE_REFUSE\((\w+),\s*(\w+)\)", text):
            found.setdefault(name, set()).add(errno)
        for name in re.findall(r"(?:tce_refuse_by|tce_pin_errno|bridge_errno)\(TCE_WHY_(\w+)", text):
            found.setdefault(name, set()).add("")
    # the only one whose errno is the kernel's
    found.setdefault("KILLED", {"EINTR"})
    return found


def events(header: str) -> Table:
    """{event: names of its fields}, and {event + " text": those in its text}."""
    found: Table = {}
    for name, body in re.findall(r"^(?:TRACE_EVENT|DECLARE_EVENT_CLASS)\((\w+),(.*?)^\);", header, re.M | re.S):
        fields = re.search(r"TP_STRUCT__entry\((.*?)^\t\),", body, re.M | re.S)
        text = re.search(r'TP_printk\("(.*?)",', body, re.S)
        found[name] = re.findall(r"__(?:field|array)\([^,]+, (\w+)", fields[1] if fields else "")
        found[name + " text"] = re.findall(r"(\w+)=%", re.sub(r"0x%", "%", text[1])) if text else []
    for kind, name in re.findall(r"^DEFINE_EVENT\((\w+), (\w+),", header, re.M):
        found[name], found[name + " text"] = found[kind], found[kind + " text"]
    return {name: fields for name, fields in found.items() if not name.split()[0].endswith("_class")}


def tables(page: str) -> tuple[Table, Table]:
    """What the page says: {event: its own fields}, {check: errnos}."""
    fields, errnos = {}, {}
    for part in re.split(r"^\.\. (?=fields: )", page, flags=re.M)[1:]:
        name = part.split("\n", 1)[0].removeprefix("fields: ")
        fields[name] = re.findall(r"^   \* - ``(\w+)``$", part.split("\n\n\n")[0], re.M)
        fields[name] = [field for field in fields[name] if field.islower()]
    for name, said in re.findall(r"^   \* - ``([A-Z0-9_]+)``\n     - ([A-Z, ]+)$", page, re.M):
        errnos[name] = said.split(", ")
    return fields, errnos


def check_events(header: str, page: str) -> Iterator[str]:
    told, _ = tables(page)
    common = told.get("all", [])
    found = events(header)
    names = [name for name in found if not name.endswith(" text")]
    for name in sorted(set(told) - set(names) - {"all"}):
        yield f"{PAGE}: there is no event {name}"
    for name in names:
        if name not in told:
            yield f"{PAGE}: nothing about the event {name}"
            continue
        own = [field for field in found[name] if field not in common]
        for field in (field for field in common if field not in found[name]):
            yield f"tce_trace.h: {name} has no field {field}"
        if own != told[name]:
            yield f"{PAGE}: {name} has the fields {' '.join(own)}, not {' '.join(told[name])}"
        if found[name + " text"] != found[name]:
            yield f"tce_trace.h: the text of {name} names other fields than it has, or in another order"


def check_refusals(sources: dict[str, str], page: str, suites: str, unmet: str) -> Iterator[str]:
    names = checks(sources.get("tce_refusal.h", ""))
    _, told = tables(page)
    found = refused({name: text for name, text in sources.items() if name != "tce_refusal.h"})
    met = set(re.findall(r"TCE_(?:REFUSED|MET)\(\s*[\w>-]+,\s*(\w+)[,)]", suites))
    met |= set(re.findall(r"tce_expect_why\([\w>-]+, TCE_WHY_(\w+)\)", suites))
    why = dict(re.findall(r"^(\w+): (.+)$", unmet, re.M))
    if not names:
        yield "tce_refusal.h: no checks"
    for name in names:
        if len(name) >= ROOM:
            yield f"tce_refusal.h: {name} is too long for tce_refused"
        if name not in found:
            yield f"tce_refusal.h: nothing is refused by {name}"
        if name not in met and name not in why:
            yield f"kunit/: no case meets the check {name}"
        if name in met and name in why:
            yield f"{UNMET}: some case does meet the check {name}"
        own = found.get(name, set()) - {""}
        if name not in told:
            yield f"{PAGE}: nothing about the check {name}"
        elif own - set(told[name]) or ("" not in found.get(name, {""}) and own != set(told[name])):
            yield f"{PAGE}: {name} has the errnos {' '.join(sorted(own))}, not {' '.join(told[name])}"
    for name in sorted((set(told) | set(why) | met) - set(names)):
        yield f"there is no check {name}"


def check_plain(sources: dict[str, str]) -> Iterator[str]:
    """Errnos that no check explains."""
    for file, text in sources.items():
        for function, body in re.findall(r"^[\w *]+?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", text, re.M | re.S):
            # what the kernel said is translated there
            if function in EXEMPT or function.endswith("_errno"):
                continue
            for errno in re.findall(r"(?:return|ERR_PTR\(|rc =|\?|:)\s*-(E[A-Z]+)\b", body):
                if errno not in PLAIN:
                    yield f"{file}: {function}() says -{errno}, and not why"


def check(root: Path) -> tuple[list[str], int, int]:
    """What is wrong, how many events there are, and how many checks."""
    sources = {path.name: without_comments(path.read_text())
               for path in sorted(root.glob("*.[ch]")) if not path.name.endswith(".mod.c")}
    header = sources.get("tce_trace.h", "")
    page = (root / PAGE).read_text()
    suites = "".join(without_comments(path.read_text()) for path in sorted((root / "kunit").glob("*_kunit.c")))
    wrong = [*check_events(header, page), *check_refusals(sources, page, suites, (root / UNMET).read_text()),
             *check_plain(sources)]
    return wrong, len(events(header)) // 2, len(checks(sources.get("tce_refusal.h", "")))


def main(doc: str) -> int:
    if len(sys.argv) > 2:
        print(doc, file=sys.stderr)
        return 2
    wrong, traced, named = check(Path(sys.argv[1]) if len(sys.argv) == 2 else ROOT)
    for text in wrong:
        print(text)
    print(f">> check-tracepoints: {traced} events, {named} checks, {len(wrong)} complaints")
    return 1 if wrong or not traced or not named else 0
