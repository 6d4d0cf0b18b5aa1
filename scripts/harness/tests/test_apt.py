# SPDX-License-Identifier: GPL-2.0-only
"""scripts/image/private-apt and scripts/image/setup-host: a mirror that is out of step costs
little, and apt speaks to a log."""
import os
import shutil
import subprocess
import time

from harness.paths import SCRIPTS
from harness.tests import Scratch

NOISE = ("echo Get:1 some index; echo 'E: sid does not fit its signature' >&2; "
         "exit ${UPDATE_FAILS:-0}")
# In the place of apt: what update does is counted, and everything but NOTHING can be downloaded.
PROGRAMS = {
    "apt-get": f"""case "$*" in
        *indextargets*) echo "${{TARGETS-http://mirror/debian/ bookworm main}}" ;;
        *--only-source*)
            for p; do :; done; echo "$p" >>"$COUNT.source"; case $* in *=1:10.0) exit 100 ;; esac ;;
        *--print-uris*) for p in "$@"; do
            case $p in ${{GONE-NOTHING}}|-*|download) ;; *) echo "'u' $p.deb 1" ;; esac; done ;;
        *update*) echo >>"$COUNT"; {NOISE} ;;
        *download*) for p in "$@"; do touch "$p.deb"; done 2>/dev/null; echo Get:1 noise ;;
        *install*) echo Setting up noise; exit ${{INSTALL_FAILS:-0}} ;;
        esac""",
    "apt-cache": 'echo "${KNOWN-package}"',
    "sed": 'case $* in *VERSION_CODENAME*) echo "${RELEASE-bookworm}" ;;'
           ' *) exec /usr/bin/sed "$@" ;; esac',
    "dpkg-deb": "", "dpkg-query": "", "sudo": '"$@"',
    "dpkg": 'case $1 in --compare*) exec /usr/bin/dpkg "$@" ;; esac; echo amd64',
}


class Apt(Scratch):
    def setUp(self):
        super().setUp()
        for name, text in PROGRAMS.items():
            self.program(name, text)

    def run_it(self, name, *args, **env):
        """(exit code, what it said)"""
        done = subprocess.run([SCRIPTS / "image" / name, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              env={"PATH": f"{self.top}:/usr/bin:/bin",
                                   "COUNT": str(self.top / "count"),
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
        """It is asked for once, however much of it is missing, and however often something is
        wanted."""
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

    def suites(self, *targets, release="bookworm"):
        """{suite: mirror} that the private apt is told of, on a machine whose apt has these"""
        code, said = self.run_it("private-apt", "config", TARGETS="\n".join(targets),
                                 RELEASE=release)
        self.assertEqual(code, 0, said)
        lines = (self.top / "cache/vfio-spapr-tce/apt/etc/sources.list").read_text().splitlines()
        return {line.split()[-2]: line.split()[-3] for line in lines if line.startswith("deb ")}

    def test_security(self):
        """Its archive is the machine's own, wherever that is, in whatever order; without one it is
        left out."""
        mirror = "http://mirror/" + "debian"
        main, security = mirror + "/ {} main", mirror + "-security/ {}-security main"
        other = "http://other/apt/ bookworm main", "http://other/apt/ bookworm-security main"
        for release in ("bookworm", "trixie"):
            targets = (main.format(release), main.format(f"{release}-updates"),
                       security.format(release), *other)
            for order in (targets, targets[::-1]):
                known = self.suites(*order, release=release)
                for suite in ("bookworm", "trixie"):
                    self.assertEqual((known[suite], known[f"{suite}-security"]),
                                     (mirror, f"{mirror}-security"))
        self.assertEqual(self.suites(main.format("bookworm"), "http://safe/ bookworm-security "
                                     "main")["trixie-security"], "http://safe")
        self.assertEqual(
            self.suites("mirror+file:/etc/apt/mirrors/debian-security.list stable-security main",
                        "mirror+file:/etc/apt/mirrors/debian.list stable "
                        "main")["bookworm-security"],
                         "mirror+file:/etc/apt/mirrors/debian-security.list")
        self.assertNotIn("bookworm-security", self.suites(main.format("bookworm")))

    def test_versions(self):
        """Of all releases, the newest first"""
        known = "".join(f"linux-source | {version} | http://mirror x/main\n" for version in
                        ("6.12.95-1~bpo12+1", "6.12.117-1", "6.12.117-1~deb12u1", "6.12.107-1",
                         "6.12.117-1"))
        code, said = self.run_it("private-apt", "versions", "linux-source", KNOWN=known)
        self.assertEqual((code, said.splitlines()[1:]),
                         (0, ["6.12.117-1", "6.12.117-1~deb12u1", "6.12.107-1",
                              "6.12.95-1~bpo12+1"]))

    def test_kernel_out_of_step(self):
        """The newest of a release that can be had, not the newest that an index names."""
        known = "".join(f"linux-headers-{version}-powerpc64le\n" for version in
                        ("6.12.95+deb12", "6.12.107+deb13", "6.12.115+deb13.1", "6.12.117+deb13",
                         "6.12.118+deb12"))
        for gone, taken in (("NOTHING", "6.12.117+deb13"), ("*6.12.117*", "6.12.115+deb13.1"),
                            ("*6.12.11[57]*", "6.12.107+deb13")):
            code, said = self.run_it("fetch-kernel", "6.12-4k", KNOWN=known, GONE=gone)
            # all of it empty
            self.assertEqual((code, f"kernel 6.12-4k is Debian's {taken}-powerpc64le\n" in said),
                             (2, True), said)
        code, said = self.run_it("fetch-kernel", "6.12-4k", KNOWN=known, GONE="*6.12*")
        self.assertEqual((code, "the mirror has no 6.12 kernel" in said), (2, True), said)

    def test_source(self):
        """The oldest that will do, and the next one if the mirror does not have it."""
        known = "".join(f"Version: {version}\n"
                        for version in ("1:11.1", "1:7.2", "1:10.2", "1:10.0"))
        for least, asked, code in (((), ["1:7.2"], 0), (("1:10",), ["1:10.0", "1:10.2"], 0),
                                   (("1:12",), [], 2)):
            shutil.rmtree(self.top / "out", ignore_errors=True)
            (self.top / "count.source").write_text("")
            self.assertEqual(self.run_it("private-apt", "source", self.top / "out", "qemu", *least,
                                         KNOWN=known)[0], code)
            self.assertEqual((self.top / "count.source").read_text().split(),
                             [f"qemu={version}" for version in asked])

    def test_setup_host(self):
        """What apt says is shown if it fails; an index is not what this is about."""
        code, said = self.run_it("setup-host", UPDATE_FAILS="100")
        self.assertEqual((code, len(said.splitlines()), "noise" in said), (0, 1, False), said)
        code, said = self.run_it("setup-host", INSTALL_FAILS="100")
        self.assertEqual((code, "Setting up noise" in said), (2, True), said)
