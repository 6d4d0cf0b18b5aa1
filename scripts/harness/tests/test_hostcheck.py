# SPDX-License-Identifier: GPL-2.0-only
"""scripts/hostcheck: its options, and the disks that it finds."""
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness.paths import SCRIPTS

SCRIPT = SCRIPTS / "hostcheck"


class Hostcheck(unittest.TestCase):
    def test_options(self):
        for wrong in ((), ("--bad", "x"), ("a", "b"), ("--tests",)):
            done = subprocess.run([SCRIPT, *wrong], stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr[:11]), (2, "hostcheck: "), wrong)

    def test_disks(self):
        disks = re.search(r"^disks\(\) \{\n.*?^\}$", SCRIPT.read_text(), re.M | re.S)[0]
        with tempfile.TemporaryDirectory() as path:
            for name in ("nvme/nvme1/nvme0c1n1", "nvme/nvme1/nvme12n1", "nvme/nvme1/hwmon0"):
                Path(path, name).mkdir(parents=True)
            said = subprocess.run(["sh", "-euc", f"path={path}\n{disks}\ndisks"], text=True,
                                  check=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(said.split(), ["nvme0n1", "nvme12n1"])
