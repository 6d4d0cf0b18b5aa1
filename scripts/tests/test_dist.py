# SPDX-License-Identifier: GPL-2.0-only
"""What DKMS makes of dkms.conf, and that one version is in all files."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from tce.install.command import VERSIONED
from tce.paths import ROOT


class Version(unittest.TestCase):
    def test_another_one(self):
        """A file that says another version than the module; each of the five."""
        for name in VERSIONED[1:]:
            with tempfile.TemporaryDirectory() as tmp:
                top = Path(tmp) / "project"
                subprocess.run(["git", "init", "-q", top], check=True)
                subprocess.run(["cp", "--parents", "-t", top, *VERSIONED, "scripts/package", "scripts/lib.sh"], cwd=ROOT, check=True)
                (top / name).write_text((top / name).read_text().replace("1.0", "1.1"))
                done = subprocess.run([top / "scripts/package", "dist"], stderr=subprocess.PIPE, text=True,
                                      env={**os.environ, "SOURCE_DATE_EPOCH": "1", "XDG_CACHE_HOME": tmp})
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"{name} says version '1.1", done.stderr)


class Dkms(unittest.TestCase):
    """Does the module want to be built by itself? DKMS reads dkms.conf in a function that hides the kernel that is meant."""
    SCRIPT = """uname() { echo "$MACHINE"; }
        read_conf() { local kernelver=$1; source_it; }
        source_it() { ( . ./dkms.conf; echo "$AUTOINSTALL" ); }
        kernelver[0]=$2; read_conf "$1" """

    def wants(self, earlier, asked, machine="ppc64le"):
        done = subprocess.run(["bash", "-c", self.SCRIPT, "bash", earlier, asked], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                              check=True, env={**os.environ, "MACHINE": machine})
        return done.stdout.strip()

    def test_autoinstall(self):
        good, bad = "6.12.107+deb13-powerpc64le", "4.19.0-34-powerpc64le"
        for earlier in ("", good, bad):
            self.assertEqual(self.wants(earlier, good), "yes")
            self.assertEqual(self.wants(earlier, bad), "")
        self.assertEqual(self.wants("", "99.1.0"), "")
        self.assertEqual(self.wants("", "6.1.0-56-powerpc64le"), "yes")
        self.assertEqual(self.wants("", good, "ppc64"), "yes")
        self.assertEqual(self.wants("", good, "x86_64"), "")
        # a DKMS that says it in another way: as if there were no condition
        self.assertEqual(self.wants("", ""), "yes")


if __name__ == "__main__":
    unittest.main()
