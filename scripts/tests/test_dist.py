# SPDX-License-Identifier: GPL-2.0-only
"""scripts/package: which packages are good; and what DKMS makes of dkms.conf."""
import gzip
import io
import os
import subprocess
import tarfile
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

from tce.dist import build
from tce.dist.command import checked, judge_rpmlint, same
from tce.dist.compare import Entry, differences, entries
from tce.paths import ROOT

FILE = Entry(0o644, "root:root", "x")


def tar(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name, data in files.items():
            info = tarfile.TarInfo("./" + name.replace("__", "/").replace("_dot_", "."))
            info.size, info.uname, info.gname = len(data), "root", "root"
            out.addfile(info, io.BytesIO(data))
    return entries(buffer.getvalue())


class Compare(unittest.TestCase):
    def test_same(self):
        self.assertEqual(differences({"a": FILE}, {"a": FILE}), [])

    def test_different(self):
        for other in ({"a": FILE._replace(mode=0o755)}, {"a": FILE._replace(owner="me:me")}, {"a": FILE._replace(content="y")},
                      {"b": FILE}, {"a": FILE, "b": FILE}):
            self.assertTrue(differences({"a": FILE}, other))
            self.assertTrue(differences(other, {"a": FILE}))
        self.assertIn("mode and content", differences({"a": FILE}, {"a": Entry(0, "root:root", "z")})[0])

    def test_own(self):
        deb = {"a": FILE, "usr/share/doc/p-dkms/copyright": FILE, "usr/share/doc/p-dkms/changelog.gz": FILE}
        rpm = {"a": FILE, "usr/share/licenses/p-dkms-1.0/LICENSE": FILE}
        self.assertEqual(differences(deb, rpm), [])
        # each may only have its own
        self.assertEqual(len(differences(rpm, deb)), 3)
        deb["usr/share/doc/p-dkms/other"] = FILE
        self.assertTrue(differences(deb, rpm))

    def test_empty(self):
        self.assertTrue(differences({}, {}))
        self.assertTrue(differences({"usr/share/doc/p/copyright": FILE}, {"usr/share/licenses/p/LICENSE": FILE}))

    def test_entries(self):
        self.assertEqual(tar(a__page_dot_4_dot_gz=gzip.compress(b"x", mtime=1)), tar(a__page_dot_4=b"x"))
        self.assertNotEqual(tar(a=b"x"), tar(a=b"y"))
        self.assertEqual(tar(a=b"x")["a"].owner, "root:root")


class Judges(unittest.TestCase):
    GOOD = "2 packages and 1 specfiles checked; 0 errors, 0 warnings, 0 badness; has taken 0.4 s"

    def test_rpmlint(self):
        self.assertEqual(judge_rpmlint(self.GOOD, 3, 0), [])
        for text, files, code in ((self.GOOD, 4, 0), (self.GOOD, 3, 1), (self.GOOD, 1, 0), ("", 3, 0),
                                  (self.GOOD.replace("0 err", "1 err"), 3, 0), (self.GOOD.replace("0 warn", "1 warn"), 3, 0),
                                  (self.GOOD.replace("1 spec", "0 spec"), 3, 0), (self.GOOD.replace("2 pack", "0 pack"), 1, 0)):
            self.assertTrue(judge_rpmlint(text, files, code), (text, files, code))
        self.assertEqual(judge_rpmlint("x\na: W: b\n" + self.GOOD.replace("0 w", "1 w"), 3, 0), ["a: W: b"])

    def test_checked(self):
        with redirect_stdout(io.StringIO()) as out:
            self.assertEqual(checked(iter([("a", [])])), 0)
            self.assertEqual(checked(iter([("a", []), ("b", ["wrong"])])), 1)
            self.assertEqual(checked(iter([])), 1)
        self.assertIn(">> package: 1 passed, 1 failed, 0 skipped", out.getvalue())

    def test_same(self):
        with tempfile.TemporaryDirectory() as tmp:
            def files(where, **texts):
                (Path(tmp) / where).mkdir()
                made = [Path(tmp) / where / name.replace("_", ".") for name in texts]
                for path, text in zip(made, texts.values()):
                    path.write_text(text)
                return made
            one = files("1", a_deb="x", a_buildinfo="here")
            self.assertEqual(same(one, files("2", a_deb="x", a_buildinfo="there")), [])
            self.assertTrue(same(one, files("3", a_deb="y")))
            self.assertTrue(same(one, files("4", a_deb="x", b_deb="x")))
            self.assertTrue(same(one, []))
            self.assertTrue(same([], []))
            self.assertTrue(same(files("5", a_changes="x"), files("6", a_changes="x")))


class Build(unittest.TestCase):
    def test_archive(self):
        made = []
        for mask, names in ((0o022, "ab"), (0o077, "ba")):
            with tempfile.TemporaryDirectory() as tmp:
                old = os.umask(mask)
                for name in names:
                    (Path(tmp) / name).write_text(name)
                (Path(tmp) / "b").chmod(0o755 & ~mask)
                os.umask(old)
                made.append(build.archive(names, Path(tmp), "p-1.0", 86400))
        self.assertEqual(made[0], made[1])
        with tarfile.open(fileobj=io.BytesIO(made[0])) as file:
            self.assertEqual([(m.name, m.mode, m.mtime, m.uid) for m in file],
                             [("p-1.0/a", 0o644, 86400, 0), ("p-1.0/b", 0o755, 86400, 0)])

    def test_versions(self):
        self.assertEqual(build.other_versions(), [])
        names = {name for name, _ in build.REPEATED}
        for changed in (None, *names):
            with tempfile.TemporaryDirectory() as tmp:
                for name in (build.MODULE, *names):
                    (Path(tmp) / name).parent.mkdir(exist_ok=True)
                    text = (ROOT / name).read_text().replace(build.version(), "99.5")
                    (Path(tmp) / name).write_text(text.replace("99.5", "99.6") if name == changed else text)
                wrong = build.other_versions(Path(tmp))
            self.assertEqual({line.split()[0] for line in wrong}, {changed} if changed else set())


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
