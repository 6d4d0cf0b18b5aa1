# SPDX-License-Identifier: GPL-2.0-only
"""scripts/hostcheck: the disks that it finds."""
import re

from harness.paths import SCRIPTS
from harness.tests import Scratch, printed


class Hostcheck(Scratch):
    def test_disks(self):
        script = (SCRIPTS / "hostcheck").read_text()
        disks = re.search(r"^disks\(\) \{\n.*?^\}$", script, re.M | re.S)[0]
        for name in ("nvme0c1n1", "nvme12n1", "hwmon0"):
            (self.top / "nvme/nvme1" / name).mkdir(parents=True)
        said = printed("sh", "-euc", f"path={self.top}\n{disks}\ndisks")
        self.assertEqual(said.split(), ["nvme0n1", "nvme12n1"])
