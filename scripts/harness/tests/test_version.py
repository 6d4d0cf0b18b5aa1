# SPDX-License-Identifier: GPL-2.0-only
"""scripts/release/version and tag: does each build of a checkout sort behind those before it, and
is a release one that was tested?"""
import os
import shutil

from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch, printed, run

VERSION = SCRIPTS / "release/version"


class Version(Scratch):
    def setUp(self):
        super().setUp()
        self.file("dkms.conf", 'PACKAGE_VERSION="1.0~rc2"\n')
        self.git("init", "-q")

    def git(self, *command, at=0):
        time = f"{1796074835 + at} +0100"
        return printed("git", "-C", self.top, "-c", "user.name=x", "-c", "user.email=x@y",
                       *command, GIT_AUTHOR_DATE=time, GIT_COMMITTER_DATE=time)

    def commit(self, at):
        self.git("add", "-A")
        self.git("commit", "-qm", "x", "--allow-empty", at=at)

    def version(self):
        return printed(VERSION, self.top).strip()

    def change(self, text, at):
        os.utime(self.file("dkms.conf", f'PACKAGE_VERSION="{text}"\n'), (0, 1796074835 + at))

    def test_order(self):
        """Of commits within a day and a minute, of changes that are not committed, and of releases;
        for dpkg, and for rpm"""
        said = ["1.0~rc1", "1.0~rc2"]
        self.commit(0)
        said.append(self.version())
        self.assertRegex(said[-1], r"^1\.0~rc2\+git20261130\.214035\.[0-9a-f]{7,}$")
        for at in (1, 60, 4 * 3600, 30 * 3600):
            self.commit(at)
            said.append(self.version())
        for at in (31 * 3600, 31 * 3600 + 1):
            self.change("1.0~rc2", at)
            self.file("x", f"{at}")
            self.git("add", "x")
            os.utime(self.top / "x", (0, 1796074835 + at))
            said.append(self.version())
            self.assertRegex(said[-1], r"\.dirty$")
        self.commit(32 * 3600)
        said.append(self.version())
        # A release has the next version, and its tag. Then it goes on.
        self.change("1.0~rc3", 0)
        self.commit(33 * 3600)
        self.git("tag", "v1.0-rc3")
        said.append(self.version())
        self.assertEqual(said[-1], "1.0~rc3")
        self.file("x", "more")
        said.append(self.version())
        self.commit(34 * 3600)
        said += [self.version(), "1.0", "1.0+git20261201.000000.0000000", "1.0.1"]
        for old, new in zip(said, said[1:]):
            printed("dpkg", "--compare-versions", old, "lt", new)
            compared = f'%{{lua:print(rpm.vercmp("{old}", "{new}"))}}'
            self.assertEqual(printed("rpm", "--eval", compared), "-1\n", (old, new))

    def test_without_git(self):
        """A tarball, or what DKMS has, says what dkms.conf does, also below another checkout; and a
        checkout without a commit, or where git is not installed, is no release."""
        self.assertEqual(self.version(), "1.0~rc2+git0.unknown")
        self.commit(0)
        for program in ("bash", "dirname", "sed"):
            (self.top / program).symlink_to(shutil.which(program))
        self.assertEqual(printed(VERSION, self.top, PATH=str(self.top)), "1.0~rc2+git0.unknown\n")
        self.file("below/dkms.conf", 'PACKAGE_VERSION="1.0~rc1+git1"\n')
        self.assertEqual(printed(VERSION, self.top / "below"), "1.0~rc1+git1\n")

    def test_other_owner(self):
        """Who installs as root has the same version as who has built it."""
        self.commit(0)
        self.assertEqual(printed(VERSION, self.top, GIT_TEST_ASSUME_DIFFERENT_OWNER="1"),
                         f"{self.version()}\n")


class Tag(Scratch):
    """scripts/release/tag, in a small copy of what it writes to"""

    def setUp(self):
        super().setUp()
        for name in ("scripts/lib.sh", "scripts/release/tag", "scripts/release/version"):
            self.file(name, (ROOT / name).read_text()).chmod(0o755)
        self.program("scripts/release/package", f'echo "$1 $({VERSION} {self.top})"')
        self.file("dkms.conf", 'PACKAGE_VERSION="1.0~rc1"\n')
        self.file("debian/changelog", "x (1.0~rc1) unstable\n\n  * x\n\n -- Who <who@x>  "
                  "Sat, 21 Nov 2026 12:00:00 +0000\n")
        self.file("rpm/vfio-iommu-spapr-tce.spec", "%changelog\n* old\n")
        self.git("init", "-q")
        self.commit()
        self.checked("HEAD")

    def git(self, *command):
        return printed("git", "-C", self.top, "-c", "user.name=x", "-c", "user.email=x@y", *command)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "x")

    def checked(self, commit, failed=0):
        self.file("CHANGELOG.md", "# Changes\n\n## 1.0~rc2\n\n* `make check` of "
                  f"{self.git('rev-parse', commit).strip()[:12]}: 9 passed, {failed} failed\n")
        self.commit()

    def tag(self, version="1.0~rc2"):
        return run(self.top / "scripts/release/tag", version, GIT_AUTHOR_NAME="x",
                   GIT_AUTHOR_EMAIL="x@y", GIT_COMMITTER_NAME="x", GIT_COMMITTER_EMAIL="x@y",
                   HOME=str(self.top), XDG_CACHE_HOME=str(self.top / ".cache"))

    def test_release(self):
        code, said, errors = self.tag()
        self.assertEqual((code, said), (0, "dist 1.0~rc2\ndeb 1.0~rc2\nrpm 1.0~rc2\n"), errors)
        self.assertEqual(self.git("tag").split(), ["v1.0-rc2"])
        changes = (self.top / "debian/changelog").read_text()
        self.assertEqual(printed("dpkg-parsechangelog", "-S", "Version", "-l",
                                 self.top / "debian/changelog").strip(), "1.0~rc2", changes)
        self.assertRegex((self.top / "rpm/vfio-iommu-spapr-tce.spec").read_text(),
                         r"^%changelog\n\* .* Who <who@x> - 1\.0~rc2-1\n- .*\n\n\* old\n$")
        self.assertIn("there is a tag", self.tag()[2])

    def test_refused(self):
        def refused(why, version="1.0~rc2"):
            before = self.git("rev-parse", "HEAD")
            code, _, errors = self.tag(version)
            self.assertEqual((code, why in errors), (2, True), errors)
            self.assertEqual((self.git("rev-parse", "HEAD"), self.git("tag")), (before, ""))
        refused("is no version", "2")
        refused("does not sort behind", "1.0~rc1")
        refused("first heading", "1.0")
        self.checked("HEAD", failed=1)
        refused("no make check that passed")
        self.checked("HEAD")
        self.file("x.c", "changed")
        self.commit()
        refused("of other sources")
        self.file("x.c", "again")
        refused("files are changed")
