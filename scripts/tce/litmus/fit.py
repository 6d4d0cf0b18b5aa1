# SPDX-License-Identifier: GPL-2.0-only
"""Do the tests quote what the sources say, and is each barrier of the sources in one?"""
import re
from collections.abc import Callable, Iterable, Mapping

from tce import module
from tce.ctext import functions, squeeze, without_comments
from tce.litmus.program import Quote, Test
from tce.paths import ROOT

# Of the module's sources, with the comments taken out. What the kernel does for us
# inside of a lock or an exchange is not here.
BARRIER = re.compile(
    r"\b(?:smp_(?:mb|rmb|wmb|store_mb|store_release|load_acquire|mb__\w+|acquire__\w+)|mb|rmb|wmb"
    r"|synchronize_\w+|call_rcu\w*|kfree_rcu|rcu_read_(?:un)?lock|rcu_assign_pointer|h?list_(?:add|replace)\w*_rcu"
    r"|(?:(?:try_)?cmpxchg|xchg)(?:_relaxed|_acquire|_release)?|(?:set|clear|change)_bit_unlock|test_and_set_bit_lock"
    r"|atomic\w*_(?:acquire|release|(?:fetch|inc|dec|add|sub)\w*_return|xchg|cmpxchg)|wq_has_sleeper)\s*\(")


# (file, function, barrier)
Place = tuple[str, str, str]

# {(file, function): [(where in its squeezed body, the test and its control)]}
Takes = dict[tuple[str, str], list[tuple[tuple[int, int], str]]]


def locate(quote: Quote, body: str) -> tuple[list[tuple[int, int]], str | None]:
    """(the spans of a quote's lines in a squeezed body, the first line that is not there)."""
    at = 0
    spans: list[tuple[int, int]] = []
    for line in quote.lines:
        start = body.find(squeeze(line), at)
        if start < 0:
            return spans, line
        at = start + len(squeeze(line))
        spans.append((start, at))
    return spans, None


def sources() -> dict[str, str]:
    """{file: text} of the module, and of that with the IOMMU operations."""
    return {str(p.relative_to(ROOT)): p.read_text()
            for p in (*module.sources(), *ROOT.glob("compat/*.c")) if p.name not in ("Kbuild", "tce_trace.h")}


def comments(text: str) -> str:
    return squeeze(re.sub(r"\n[ \t]*\* ?", " ", "\n".join(re.findall(r"/\*.*?\*/", text, re.S))))


def bodies_of(text: str) -> dict[str, str]:
    return {name: squeeze(body) for name, body in functions(without_comments(text)).items()}


def quotes(test: Test, bodies: Mapping[str, Mapping[str, str]], kernel: Callable[[str], str | None], takes: Takes) -> list[str]:
    """What the test quotes and is not there; adds what its controls take out to @takes."""
    wrong = []
    for quote in test.quotes:
        if quote.what == "kernel":
            text = kernel(quote.file)
            body = None if text is None else bodies_of(text).get(quote.function)
        else:
            body = bodies.get(quote.file, {}).get(quote.function)
        here = f"litmus/{test.name}.litmus: {quote.file}: {quote.function}()"
        if body is None:
            wrong.append(f"{here} is not there (any more)")
            continue
        spans, missing = locate(quote, body)
        if missing is not None:
            wrong.append(f"{here} does not have, or not in this place: {missing}")
        for span, label in zip(spans, quote.labels):
            if label and quote.what == "code":
                takes.setdefault((quote.file, quote.function), []).append((span, f"{test.name}-{label}"))
    return wrong


def names(test: Test, files: Mapping[str, str]) -> list[str]:
    """The files that do not say what the test is about."""
    wrong = []
    for file in test.named_in():
        if f"litmus/{test.name}.litmus" not in comments(files.get(file, "")):
            wrong.append(f"{file}: no comment names litmus/{test.name}.litmus, which is about "
                         + ", ".join(dict.fromkeys(q.function + "()" for q in test.quotes if q.file == file)))
    for file, note in test.limits.values():
        if squeeze(note) not in comments(files.get(file, "")):
            wrong.append(f"litmus/{test.name}.litmus: no comment of {file} says: {note}")
    return wrong


def barriers_of(body: str) -> list[tuple[int, str]]:
    """(where, which) in a function."""
    return [(m.start(), re.findall(r"\w+", m[0])[0]) for m in BARRIER.finditer(body)
            if m.start() >= body.index("{")]     # before is its own name


def outside(text: str, macros: bool = False) -> list[str]:
    """Barriers that are in no function; with @macros, in no macro either: who uses one is looked at by its name."""
    code = re.sub(r"^#define (?:.*\\\n)*.*", "", without_comments(text), flags=re.M) if macros else without_comments(text)
    for body in functions(code).values():
        code = code.replace(body, "")
    return [m[0] for m in BARRIER.finditer(code)]


def compare(tests: Iterable[Test], files: Mapping[str, str], kernel: Callable[[str], str | None],
            excuses: Mapping[Place, str]) -> tuple[list[str], list[tuple[str, str, str, str]]]:
    """(what does not fit, [(file, function, barrier, who takes it out)])."""
    tests = list(tests)
    wrong = [f"litmus/{t.name}.litmus: {w}" for t in tests for w in t.wrong]
    bodies = {file: bodies_of(text) for file, text in files.items()}
    takes: Takes = {}
    for test in tests:
        wrong += quotes(test, bodies, kernel, takes) + names(test, files)
    for file, text in files.items():
        for name in set(re.findall(r"litmus/([\w-]+)\.litmus", text)) - {t.name for t in tests}:
            wrong.append(f"{file} names litmus/{name}.litmus, which is not there")
    barriers, unused = [], dict(excuses)
    for file, found in bodies.items():
        wrong += [f"{file}: {text}) outside of any function" for text in outside(files[file], file.startswith("compat/"))]
        for function, body in found.items():
            for at, barrier in barriers_of(body):
                by = sorted({who for (a, b), who in takes.get((file, function), ()) if a <= at < b})
                key = (file, function, barrier)
                if not by and key in excuses:
                    unused.pop(key, None)
                    by = ["reason: " + excuses[key]]
                if not by:
                    wrong.append(f"{file}: {function}(): no control takes out {barrier}()")
                barriers.append((*key, ", ".join(by) or "NOTHING"))
    wrong += [f"litmus/reasons: not needed (any more): {' '.join(key)}" for key in unused]
    if not tests:
        wrong.append("there is no test")
    if not barriers:
        wrong.append("the sources have no barriers, which can't be")
    return wrong, barriers
