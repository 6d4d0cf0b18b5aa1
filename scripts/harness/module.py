# SPDX-License-Identifier: GPL-2.0-only
"""The module's sources, and where their functions are. For C in the kernel's style."""
import re
import shutil
from pathlib import Path

from harness.paths import ROOT

NAME = "vfio_iommu_spapr_tce"
KO = f"{NAME}.ko"
SUITES = f"{NAME}_kunit"
# What some kernels lack (compat/iommu_ops.c), on which either driver depends there
IOMMU_OPS = "spapr_tce_iommu_ops"

COMMENT = r"/\*.*?\*/|//[^\n]*"
STRING = r'"(?:\\.|[^"\\\n])*"'


def copy(to: Path, *directories: str) -> None:
    """A copy of the sources, to build it there, with some of the directories."""
    shutil.rmtree(to, ignore_errors=True)
    for directory in ("compat", *directories):
        shutil.copytree(ROOT / directory, to / directory)
    for file in (ROOT / "Kbuild", *ROOT.glob("*.[ch]")):
        shutil.copy2(file, to)


def without_comments(text: str) -> str:
    """The text with comments blanked, at the same length."""
    def blank(match: re.Match[str]) -> str:
        return match[0] if match[0][0] == '"' else re.sub(r"[^\n]", " ", match[0])

    return re.sub(rf"{COMMENT}|{STRING}", blank, text, flags=re.S)


def functions(code: str) -> dict[str, str]:
    """{name: its head and body}, of C without comments."""
    found = {}
    for m in re.finditer(r"^(?=\w)[^;{}=#]*?\b(\w+)\([^;{}]*\)\s*\n\{.*?^\}", code, re.M | re.S):
        found[m[1]] = m[0]
    return found


def changed(text: str, function: str, inside: str, behind: str = "") -> str:
    """A source that is wrong. @inside: lines of C before @function, whose macros take the place of
    what it calls, which it has to, and of nothing else. @behind: lines that follow it"""
    code = without_comments(text)
    found = functions(code).get(function)
    if not found:
        raise ValueError(f"not there: {function}()")
    replaced = re.findall(r"^#define (\w+)", inside, re.M)
    for name in replaced:
        if not re.search(rf"\b{name}\s*\(", found.split("{", 1)[1]):
            raise ValueError(f"{function}() does not call {name}()")
    at = code.index(found)
    undo = "".join(f"#undef {name}\n" for name in replaced)
    end = at + len(found)
    return f"{text[:at]}{inside}{text[at:end]}\n{undo}{behind}{text[end:]}"
