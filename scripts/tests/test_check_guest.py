# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-guest: what a boot was worth."""
import subprocess
import tempfile
import unittest
from pathlib import Path

from tce.paths import SCRIPTS
from tests import load

TESTS = load(SCRIPTS / "check").TESTS


class CheckGuest(unittest.TestCase):
    def judge(self, *lines, status=0, tests=("kill", "demo")):
        """(exit code, passed, failed, skipped, all of it) for a console and an exit code of scripts/guest-run"""
        with tempfile.TemporaryDirectory() as tmp:
            (Path(tmp) / "console.log").write_text("".join(f"{line}\n" for line in lines))
            (Path(tmp) / "summary").write_text("!! something\n>> vm: verdict\n")
            done = subprocess.run([SCRIPTS / "check-guest", "--judge", tmp, str(status),
                                   *(f"kvm/1/{test}" for test in tests)],
                                  stdout=subprocess.PIPE, text=True)
            counts = TESTS.findall(done.stdout)
        self.text = done.stdout
        return (done.returncode, *map(int, counts[-1][:3]))

    demo, kill = ">> ok demo (9 s)", ">> ok kill (9 s)"

    def test_pass(self):
        self.assertEqual(self.judge(self.demo, self.kill), (0, 2, 0, 0))

    def test_failed(self):
        self.assertEqual(self.judge("   1 s: test demo", "!! no packets", ">> NOT ok demo (9 s)", self.kill, status=1), (1, 1, 1, 0))
        self.assertIn("no packets", self.text)

    def test_lost(self):
        self.assertEqual(self.judge(self.demo, status=4), (1, 1, 1, 0))
        self.assertEqual(self.judge(status=5, tests=("demo",)), (1, 0, 1, 0))
        self.assertEqual(self.judge("ok demo (9 s)", status=0, tests=("demo",)), (1, 0, 1, 0))

    def test_host_complained(self):
        self.assertEqual(self.judge(self.demo, self.kill, status=3), (1, 2, 1, 0))
        self.assertEqual(self.judge(self.demo, self.kill, status=1), (1, 2, 1, 0))
