# SPDX-License-Identifier: GPL-2.0-only
"""What DKMS makes of dkms.conf."""
import os
import subprocess
import unittest

from tce.paths import ROOT


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
