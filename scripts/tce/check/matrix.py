# SPDX-License-Identifier: GPL-2.0-only
"""What make kernels has run, for Documentation/results.rst."""
from collections.abc import Mapping

from tce import kernels
from tce.check.steps import runs, user


def pages(name: str) -> str:
    """Of a kernel, by its row."""
    return "64K" if "64k" in " ".join((name, *kernels.rows()[name])) else "4K"


def big(name: str) -> bool:
    return "big-endian" in " ".join(kernels.rows()[name])


def others(said: Mapping[str, str]) -> list[list[str]]:
    """How it went on the kernels that make check leaves out. @said: {step: how}"""
    lines = [["kernel", "pages", "endian", "machine", "what", "how it went"]]
    for step, command, _ in runs():
        if command[0] == "selftest":
            kernel, machine = command[2], command[4]
            what = f"test programs as {user(kernel)}"
        else:
            kernel, machine, what = command[-1], "pseries" if command[0] == "refused" else "powernv9", command[0]
        if step in said:
            lines.append([kernel, pages(kernel), "big" if big(kernel) else "little", machine, what, said[step].strip(" ()") or "good"])
    return lines
