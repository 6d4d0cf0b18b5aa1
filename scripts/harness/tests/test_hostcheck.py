# SPDX-License-Identifier: GPL-2.0-only
"""scripts/hostcheck: its options, and the disks that it finds."""
import re

from harness.paths import SCRIPTS
from harness.tests import Scratch, printed, run

SCRIPT = SCRIPTS / "hostcheck"


class Hostcheck(Scratch):
    def test_options(self):
        for wrong in ((), ("--bad", "x"), ("a", "b"), ("--tests",)):
            code, _, errors = run(SCRIPT, *wrong)
            self.assertEqual((code, errors[:11]), (2, "hostcheck: "), wrong)

    def test_disks(self):
        disks = re.search(r"^disks\(\) \{\n.*?^\}$", SCRIPT.read_text(), re.M | re.S)[0]
        for name in ("nvme0c1n1", "nvme12n1", "hwmon0"):
            (self.top / "nvme/nvme1" / name).mkdir(parents=True)
        said = printed("sh", "-euc", f"path={self.top}\n{disks}\ndisks")
        self.assertEqual(said.split(), ["nvme0n1", "nvme12n1"])
