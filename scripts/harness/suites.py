# SPDX-License-Identifier: GPL-2.0-only
"""The module and its suites, built for one kernel."""
import re
import subprocess
from pathlib import Path

from harness.cli import die, path_from
from harness.kernels import Kernel
from harness.paths import ROOT


def build(name: str, kernel: Kernel) -> Path:
    """Build the driver and the suites' module; returns the directory they are in."""
    ko = path_from("image/build-module", name, "TCE_KUNIT=1")
    check_wrapped(ko, kernel)
    return ko.parent


def check_wrapped(ko: Path, kernel: Kernel) -> None:
    """A function that pins memory or does EEH must not get past the suites."""
    done = subprocess.run([kernel["CROSS_COMPILE"] + "nm", "-u", ko], stdout=subprocess.PIPE,
                          text=True, check=True)
    called = set(re.findall(r"U (\S*(?:pin_user|mm_iommu_|eeh_|vfio_)\S*)", done.stdout))
    text = (ROOT / "kunit/Kbuild.include").read_text().replace("\\\n", " ")
    wrapped = set(re.findall(r"^tce-kunit-wrap := (.*)$", text, re.M)[0].split())
    # These only read.
    called -= {"mm_iommu_ua_to_hpa", "mm_iommu_lookup", "eeh_subsystem_flags"}
    if called - wrapped:
        die(f"the suites do not see the driver call {', '.join(sorted(called - wrapped))}")
