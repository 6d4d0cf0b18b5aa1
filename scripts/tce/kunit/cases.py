# SPDX-License-Identifier: GPL-2.0-only
"""The cases that kunit/ lists, and those of which nothing has to run on some machines."""
import re

from tce import kernels
from tce.cli import die
from tce.paths import DATA, ROOT

MACHINES = ("powernv9", "pseries")


# {suite: [case, ...]}
Wanted = dict[str, list[str]]


def known_kernels() -> list[str]:
    """Those with KUnit, but for what scripts/coverage and scripts/fuzz have for themselves."""
    return [name for name, parts in kernels.built().items()
            if "kunit" in parts and not name.startswith(("gcov-", "fuzz-"))]


def listed() -> Wanted:
    """The cases that the sources list: {suite: [case, ...]}."""
    suites = {}
    for file in sorted((ROOT / "kunit").glob("*_kunit.c")):
        text = file.read_text()
        arrays = dict(re.findall(r"struct kunit_case (\w+)\[\] = \{(.*?)\n\};", text, re.S))
        for name, array in re.findall(r'\.name = "(\w+)",.*?\.test_cases = (\w+),', text, re.S):
            suites[name] = re.findall(r"KUNIT_CASE\w*\((\w+)", arrays[array])
    return suites


def names() -> set[str]:
    """All "suite.case"."""
    return {f"{suite}.{case}" for suite, cases in listed().items() for case in cases}


def allowed_skips(name: str, machine: str, text: str | None = None, more: tuple[str, ...] = ()) -> dict[str, str]:
    """The cases of which nothing has to run there: {"suite.case": why}. @more: words that fit, too"""
    fragments = [*kernels.fragments(name), *more]
    allowed = {}
    for line in (text or (DATA / "kunit.skips").read_text()).splitlines():
        if not line or line.startswith("#"):
            continue
        m = re.fullmatch(r"(\w+\.\w+)((?: !?[\w-]+)+): (.+)", line)
        if not m:
            die(f"kunit.skips: not understood: {line}")
        known = {f for known in kernels.rows() for f in kernels.fragments(known)} | set(MACHINES)
        words = m[2].split()
        if unknown := {w.lstrip("!") for w in words} - known:
            die(f"kunit.skips: there is no {', '.join(unknown)}: {line}")
        if all((w.lstrip("!") in (*fragments, machine)) != w.startswith("!") for w in words):
            allowed[m[1]] = m[3]
    return allowed
