# SPDX-License-Identifier: GPL-2.0-only
"""The range of kernels: that of compat/kernel_range.h is in README.md and dkms.conf, and the second
module's in Kbuild and dkms.conf."""
import re
import unittest

from harness.paths import ROOT
from harness.tests import printed


class Range(unittest.TestCase):
    def setUp(self):
        """The header has the first kernel that is in, and the first that is not."""
        header = (ROOT / "compat/kernel_range.h").read_text()
        (major, first), (last_major, after) = re.findall(
            r"VERSION_CODE (?:<|>=) KERNEL_VERSION\((\d+), (\d+), 0\)", header)
        self.min, self.max = f"{major}.{first}", f"{last_major}.{int(after) - 1}"
        self.below, self.above = f"{major}.{int(first) - 1}", f"{last_major}.{after}"

    def test_range(self):
        readme = " ".join((ROOT / "README.md").read_text().split())
        self.assertEqual(re.search(r"accepts Linux [\d.]+ to ([\d.]+) and RHEL 9's ([\d.]+)\. ",
                                   readme).groups(), (self.max, self.min))
        pattern = re.search('^BUILD_EXCLUSIVE_KERNEL="(.*)"$', (ROOT / "dkms.conf").read_text(),
                            re.M)[1]
        for release in (f"{self.min}.0", f"{self.min}.0-34-powerpc64le", self.min, "5.19.17",
                        "6.1.0-50-powerpc64le", "6.11.11", "6.12.95+deb12-powerpc64le", self.max,
                        f"{self.max}.13+deb14-powerpc64le-64k"):
            self.assertRegex(release, pattern)
        for release in (f"{self.below}.99", f"{self.above}.0", "5.15.0", "5.18.1", f"{self.max}0.1",
                        f"1{self.min}.0", "5.1.0", "4.19.0"):
            self.assertNotRegex(release, pattern)

    def test_second_module(self):
        """It is for some kernels."""
        seconds = re.search(r"^ifeq .*filter ([\d. ]+),", (ROOT / "Kbuild").read_text(),
                            re.M)[1].split()
        self.assertGreater(len(seconds), 1)
        for kernel in (self.min, "5.19", "6.0", "6.1", "6.2", "6.3", "6.4", "6.10", "6.12", "6.30",
                       self.max):
            for release in (kernel, f"{kernel}.0-50-powerpc64le"):
                said = printed("bash", "-c", f"kernelver={release}; . {ROOT}/dkms.conf; "
                               'echo "${BUILT_MODULE_NAME[1]-}"')
                self.assertEqual(said.strip(),
                                 "spapr_tce_iommu_ops" if kernel in seconds else "", release)
