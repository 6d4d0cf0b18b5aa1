# SPDX-License-Identifier: GPL-2.0-only
"""KCSAN's reports of data races: whose they are."""
import re

from tce.vm.console import SPLATS


def data_races(text: str) -> tuple[list[str], list[str]]:
    """KCSAN's reports: (those of accesses by the module, the titles of all others).

    An access is the module's if it, or what it called for it, did it.
    """
    own: list[str] = []
    others: list[str] = []
    for report in re.split(r"^(?=.*BUG: KCSAN: )", text, flags=re.M)[1:]:
        report = re.split(r"={40,}", report)[0]
        stacks = re.split(r"^.*(?:read|write|assert).* by (?:task|interrupt).*\n", report, flags=re.M)[1:]
        accesses = "".join("".join(s.splitlines(True)[:2]) for s in stacks)
        if "[vfio_iommu_spapr_tce" in accesses or not stacks:
            own.append(report)
        else:
            others.append(re.findall(r"KCSAN: .*", report)[0])
    return own, others


def only_races_of_the_kernel(text: str) -> bool:
    """Did the kernel complain about data races only, none of them the module's?"""
    own, others = data_races(text)
    splats = [line for line in text.splitlines() if SPLATS.search(line) and "BUG: KCSAN: " not in line]
    return bool(others) and not own and not splats and "\nVM-VERDICT: 0\n" in text
