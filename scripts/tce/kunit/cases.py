# SPDX-License-Identifier: GPL-2.0-only
"""The cases that kunit/ lists, and what they run on."""
import re

from tce import kernels
from tce.paths import ROOT

MACHINES = ("powernv9", "pseries")


def known_kernels() -> list[str]:
    """Those with KUnit, but for what scripts/coverage and scripts/fuzz have for themselves."""
    return [name for name, parts in kernels.built().items()
            if "kunit" in parts and not name.startswith(("gcov-", "fuzz-"))]


def listed() -> dict[str, list[str]]:
    """The cases that the sources list: {suite: [case, ...]}."""
    suites = {}
    for file in sorted((ROOT / "kunit").glob("*_kunit.c")):
        text = file.read_text()
        arrays = dict(re.findall(r"struct kunit_case (\w+)\[\] = \{(.*?)\n\};", text, re.S))
        for name in re.findall(r"^TCE_SUITE\((\w+)\);", text, re.M):
            suites[name] = re.findall(r"KUNIT_CASE\w*\((\w+)", arrays[f"{name}_cases"])
    return suites


def names() -> set[str]:
    """All "suite.case"."""
    return {f"{suite}.{case}" for suite, cases in listed().items() for case in cases}
