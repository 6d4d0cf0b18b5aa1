# SPDX-License-Identifier: GPL-2.0-only
"""scripts/private-apt and scripts/setup-host: a mirror that is out of step costs little, and apt speaks to a log."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from tce.paths import SCRIPTS

NOISE = "echo Get:1 some index; echo 'E: sid does not fit its signature' >&2; exit ${UPDATE_FAILS:-0}"
# In the place of apt: what update does is counted, and everything but NOTHING can be downloaded.
PROGRAMS = {
    "apt-get": f"""case "$*" in
        *indextargets*) echo http://mirror/debian/ bookworm main ;;
        *--only-source*) for p; do :; done; echo "$p" >>"$COUNT.source"; case $* in *=1:10.0) exit 100 ;; esac ;;
        *--print-uris*) for p in "$@"; do case $p in NOTHING|-*|download) ;; *) echo "'u' $p.deb 1" ;; esac; done ;;
        *update*) echo >>"$COUNT"; {NOISE} ;;
        *download*) for p in "$@"; do touch "$p.deb"; done 2>/dev/null; echo Get:1 noise ;;
        *install*) echo Setting up noise; exit ${{INSTALL_FAILS:-0}} ;;
        esac""",
    "apt-cache": 'echo "${KNOWN-package}"',
    "dpkg-deb": "", "dpkg-query": "", "sudo": '"$@"',
    "dpkg": 'case $1 in --compare*) exec /usr/bin/dpkg "$@" ;; esac; echo amd64',
}


class Apt(unittest.TestCase):
    def setUp(self):
        self.top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        for name, text in PROGRAMS.items():
            (self.top / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.top / name).chmod(0o755)

    def run_it(self, name, *args, **env):
        """(exit code, what it said)"""
        done = subprocess.run([SCRIPTS / name, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={"PATH": f"{self.top}:/usr/bin:/bin", "COUNT": str(self.top / "count"),
                                   "XDG_CACHE_HOME": str(self.top / "cache"), **env})
        return done.returncode, done.stdout

    def get(self, package, **env):
        return self.run_it("private-apt", "get", self.top / "out", package, **env)

    def updates(self):
        return len((self.top / "count").read_text().splitlines())

    def age(self, minutes):
        then = time.time() - 60 * minutes
        os.utime(self.top / "cache/vfio-spapr-tce/apt/updated", (then, then))

    def test_index_out_of_step(self):
        """It is asked for once, however much of it is missing, and however often something is wanted."""
        for package in "abc":
            code, said = self.get(package, UPDATE_FAILS="100")
            self.assertEqual((code, "noise" in said), (0, False), said)
            self.assertEqual("sid does not fit" in said, package == "a", said)
        self.assertEqual(self.get("NOTHING", UPDATE_FAILS="100")[0], 2)
        self.assertEqual(self.updates(), 1)
        self.age(90)
        self.assertEqual(self.get("a")[0], 0)
        self.assertEqual(self.updates(), 2)
        self.age(90)        # this time all of it came
        self.assertEqual(self.get("a")[0], 0)
        self.assertEqual(self.updates(), 2)
        self.assertEqual(self.get("NOTHING")[0], 2)
        self.assertEqual(self.updates(), 3)

    def test_no_index(self):
        code, said = self.get("a", UPDATE_FAILS="100", KNOWN="")
        self.assertEqual((code, "could not be fetched" in said), (2, True))

    def test_source(self):
        """The oldest that will do, and the next one if the mirror does not have it."""
        known = "".join(f"Version: {version}\n" for version in ("1:11.1", "1:7.2", "1:10.2", "1:10.0"))
        for least, asked, code in (((), ["1:7.2"], 0), (("1:10",), ["1:10.0", "1:10.2"], 0), (("1:12",), [], 2)):
            shutil.rmtree(self.top / "out", ignore_errors=True)
            (self.top / "count.source").write_text("")
            self.assertEqual(self.run_it("private-apt", "source", self.top / "out", "qemu", *least, KNOWN=known)[0], code)
            self.assertEqual((self.top / "count.source").read_text().split(), [f"qemu={version}" for version in asked])

    def test_setup_host(self):
        """What apt says is shown if it fails; an index is not what this is about."""
        code, said = self.run_it("setup-host", UPDATE_FAILS="100")
        self.assertEqual((code, len(said.splitlines()), "noise" in said), (0, 1, False), said)
        code, said = self.run_it("setup-host", INSTALL_FAILS="100")
        self.assertEqual((code, "Setting up noise" in said), (2, True), said)
