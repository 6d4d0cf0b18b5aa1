# SPDX-License-Identifier: GPL-2.0-only
"""The tests that the sources list, each of which has to have a result."""
import re
from collections.abc import Iterator

from harness.paths import ROOT

TESTS = re.compile(r"^static const struct test tests\[\] = \{\n(.*?)^\};", re.M | re.S)
TEST = re.compile(r'\{\s*((?:"[^"\n]*"\s*)+),\s*\w+,\s*([^,}]*)')
VERSIONS = {"BOTH": ("v1: ", "v2: "), "V1": ("v1: ",), "V2": ("v2: ",)}


def cases() -> Iterator[str]:
    """Those of the suites: "suite.case"."""
    for file in (ROOT / "kunit").glob("*_kunit.c"):
        text = file.read_text()
        arrays = dict(re.findall(r"struct kunit_case (\w+)\[\] = \{(.*?)\n\};", text, re.S))
        for suite in re.findall(r"^TCE_SUITE\((\w+)\);", text, re.M):
            for case in re.findall(r"KUNIT_CASE\w*\((\w+)", arrays[f"{suite}_cases"]):
                yield f"{suite}.{case}"


def tests(repeats: bool = False) -> Iterator[str]:
    """Those of the programs: "program: v1: name", or without a version. @repeats: also those that
    need a device which writes all the time (nightly/wrong-modules)"""
    for file in (ROOT / "selftests").glob("*.c"):
        for table in TESTS.findall(file.read_text()):
            for name, flags in TEST.findall(table):
                if "REPEATS" in flags and not repeats:
                    continue
                said = "".join(re.findall('"(.*?)"', name))
                of = [VERSIONS[flag] for flag in re.findall(r"\w+", flags) if flag in VERSIONS]
                for version in of[0] if of else ("",):
                    yield f"{file.stem}: {version}{said}"
