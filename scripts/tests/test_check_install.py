# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-install: what the console of an installation is worth."""
import subprocess
import tempfile
import unittest
from pathlib import Path

from tce.install import command
from tce.paths import ROOT

GOOD = ("CHECK-BEGIN 6.12\nok      1 s  this\n[    9.1] a word of the kernel\nok   1200 s  that\n"
        "CHECK-END 2 0\n[   99.9] reboot: Power down\n")


class Judge(unittest.TestCase):
    def look(self, text=GOOD, splats=(), status=0, late=False):
        found = command.judge(text, list(splats), status, late)
        return found.passed, found.failed, len(found.wrong)

    def test_good(self):
        self.assertEqual(self.look(), (2, 0, 0))

    def test_failed(self):
        text = GOOD.replace("ok   1200", "FAIL 1200").replace("END 2 0", "END 2 1")
        self.assertEqual(self.look(text), (1, 1, 0))

    def test_did_not_come_to_its_end(self):
        self.assertEqual(self.look(GOOD.replace("CHECK-END", "")), (2, 0, 1))
        self.assertEqual(self.look(GOOD + GOOD)[2], 1)

    def test_a_step_is_lost(self):
        self.assertEqual(self.look(GOOD.replace("ok      1 s  this\n", "")), (1, 0, 1))
        self.assertEqual(self.look(GOOD.replace("END 2 0", "END 2 1")), (2, 0, 1))

    def test_did_nothing(self):
        self.assertEqual(self.look("CHECK-END 0 0\n"), (0, 0, 1))
        self.assertEqual(self.look(""), (0, 0, 2))

    def test_around_it(self):
        self.assertEqual(self.look(splats=["Oops: x"]), (2, 0, 1))
        self.assertEqual(self.look(status=1), (2, 0, 1))
        self.assertEqual(self.look(late=True), (2, 0, 1))


class Second(unittest.TestCase):
    def test_newer(self):
        """The newer version is another one in each file that has to say it."""
        with tempfile.TemporaryDirectory() as name:
            first = Path(name) / "first-1.0.tar.xz"
            subprocess.run(["tar", "-cJf", first, "--transform=s,^,first-1.0/,", *command.VERSIONED], cwd=ROOT, check=True)
            subprocess.run(["tar", "-xf", command.newer(first), "-C", name], check=True)
            for file in command.VERSIONED:
                old, new = ((where / file).read_text() for where in (ROOT, Path(name) / "first-1.0.1"))
                self.assertEqual(new, old.replace("1.0", "1.0.1"))
                self.assertNotEqual(new, old)

    def test_no_file(self):
        with tempfile.TemporaryDirectory() as name:
            disk = Path(name) / "disk"
            disk.write_bytes(bytes(1 << 20))
            self.assertFalse(command.from_disk(disk, "/root/second/kernel", Path(name) / "kernel"))
