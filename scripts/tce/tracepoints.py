# SPDX-License-Identifier: GPL-2.0-only
"""The tracepoints and the refusals, held against their page and their tests."""
import re
from collections.abc import Iterator

from tce.ctext import without_comments
from tce.paths import DATA, ROOT

# {event: its fields}, {check: its errnos}
Table = dict[str, set[str]]


def page_tables(page: str) -> tuple[Table, Table]:
    """What the page says of events and of checks."""
    fields = {}
    for part in re.split(r"^\.\. fields: ", page, flags=re.M)[1:]:
        fields[part.split("\n", 1)[0]] = set(re.findall(r"^   \* - ``([a-z_]+)``$", part.split("\n\n\n")[0], re.M))
    checks = re.findall(r"^   \* - ``([A-Z0-9_]+)``\n     - ([A-Z, ]+)$", page, re.M)
    common = fields.pop("all", set())
    return {name: own | common for name, own in fields.items()}, {name: set(errnos.split(", ")) for name, errnos in checks}


def events(header: str) -> Table:
    found, classes = {}, re.findall(r"^(?:TRACE_EVENT|DECLARE_EVENT_CLASS)\((\w+),(.*?)^\);", header, re.M | re.S)
    for name, body in classes:
        found[name] = set(re.findall(r"__(?:field|array)\([^,]+, (\w+)", body))
    for kind, name in re.findall(r"^DEFINE_EVENT\((\w+), (\w+),", header, re.M):
        found[name] = found[kind]
    return {name: fields for name, fields in found.items() if not name.endswith("_class")}


def differences(what: str, code: Table, page: Table) -> Iterator[str]:
    for name in sorted({*code, *page}):
        if code.get(name) != page.get(name):
            yield f"{what} {name}: the code has {sorted(code.get(name, ()))}, the page {sorted(page.get(name, ()))}"


def check(sources: dict[str, str], page: str, suites: str, unmet: str) -> tuple[list[str], int]:
    """What is wrong, and how many events and checks there are."""
    fields, errnos = page_tables(page)
    traced = events(sources["tce_trace.h"])
    names = set(re.findall(r"\bWHY\((\w+)\)", sources["tce_refusal.h"]))
    code = "".join(text for name, text in sources.items() if name != "tce_refusal.h")
    given = re.findall(r"TCE_REFUSE\((\w+),\s*(\w+)\)", code)
    # Those that pass on what the kernel says may have more errnos.
    passed_on = {"KILLED", *re.findall(r"(?:tce_refuse_by|tce_pin_errno|bridge_errno)\(TCE_WHY_(\w+)", code)}
    said = {name: {errno for other, errno in given if other == name} | (errnos.get(name, set()) if name in passed_on else set())
            for name in names}
    wrong = [*differences("event", traced, fields), *differences("check", said, errnos)]
    met = set(re.findall(r"TCE_(?:REFUSED|MET)\(\s*[\w>-]+,\s*(\w+)[,)]|tce_expect_why\([\w>-]+, TCE_WHY_(\w+)\)", suites))
    reasons = set(re.findall(r"^(\w+): .+$", unmet, re.M))
    tested = {name for pair in met for name in pair if name}
    wrong += [f"check {name}: its name is too long for tce_refused" for name in names if len(name) >= 24]
    wrong += [f"check {name}: no KUnit case meets it, and it has no reason" for name in sorted(names - tested - reasons)]
    wrong += [f"check {name}: it has a reason, but a case meets it" for name in sorted(reasons & tested)]
    wrong += [f"there is no check {name}" for name in sorted((tested | reasons | {name for name, _ in given}) - names)]
    for function, body in re.findall(r"^[\w *]+?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", code, re.M | re.S):
        # init_module() is no call of a client's, two say no without a reason, which each caller has, and what the
        # kernel said is translated in others.
        if not re.fullmatch(r"tce_container_init|tce_region_unlist|tce_region_release|\w+_errno", function):
            wrong += [f"{function}() says -{errno}, and not why"
                      for errno in re.findall(r"(?:return|ERR_PTR\(|rc =|\?|:)\s*-(?!EINTR|EAGAIN)(E[A-Z]+)\b", body)]
    return wrong, len(traced) + len(names)


def main(doc: str) -> int:
    sources = {path.name: without_comments(path.read_text()) for path in sorted(ROOT.glob("*.[ch]")) if not path.name.endswith(".mod.c")}
    suites = "".join(without_comments(path.read_text()) for path in ROOT.glob("kunit/*_kunit.c"))
    wrong, count = check(sources, (ROOT / "Documentation/tracepoints.rst").read_text(), suites, (DATA / "refusals.unmet").read_text())
    for text in wrong:
        print(text)
    print(f">> check-tracepoints: {count} events and checks, {len(wrong)} complaints")
    return 1 if wrong or not count else 0
