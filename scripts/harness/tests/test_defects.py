# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nightly/defects: what shows a defect, and what does not."""
import re
import unittest
from fnmatch import fnmatchcase

from harness.paths import ROOT, SCRIPTS
from harness.tests import load

defects = load(SCRIPTS / "nightly/defects")

TEST = "user: dma: v1: MAP past the end"
CHECK = "dma.c:1: map(x) returned 0, not -EINVAL"
WARNING = "WARNING: CPU: 0 PID: 57 at arch/powerpc/mm/init.c:1 destroy_context+0x1/0x2"


def report(*results, plan=1, said=()):
    return "\n".join(["VM-START", "KTAP version 1", f"1..{plan}", *said, *results])


class Defects(unittest.TestCase):
    def test_evidence(self):
        """All of the tests have to fail, or the kernel to complain."""
        bad, good, other = f"not ok 1 {TEST}", f"ok 1 {TEST}", "not ok 1 user: dma: v1: WARNING"
        stamped = f"[    5.000000] {WARNING}"
        for text, said in ((report(bad, said=["# " + CHECK]), CHECK),
                           (report(good, said=["# " + CHECK]), None),
                           (report(bad, "ok 2 user: dma: v1: MAP past too"), None),
                           (report(other, said=["# " + CHECK]), None), ("", None),
                           (report(good, said=[stamped]), WARNING), (report(stamped), WARNING)):
            defect = defects.Defect("map-past-end", "powernv", "user: dma: v1: MAP past*")
            self.assertEqual(defects.evidence(defect, text), said, text)
            # What a test of several things says has to name the defect.
            for words, named in ((CHECK[:5], said), ("WARN", said), ("other", None)):
                if said and re.search(words, said) or words == "other":
                    self.assertEqual(defects.evidence(defect._replace(words=words), text), named)

    def test_page(self):
        """Each name of the page has a test here, or names a KUnit case; and each test is there."""
        page = (ROOT / "Documentation/security.rst").read_text()
        described = dict(re.findall(r"^   \* - ``([a-z0-9-]+)``\n(.*?)(?=^   \* -|^\S)", page,
                                    re.M | re.S))
        self.assertGreater(len(described), 25)
        names = {name for name, *_ in defects.DEFECTS}
        self.assertLessEqual(names, set(described))
        for name in set(described) - names:
            self.assertRegex(described[name], r"\bKUnit ``tce_|tests? ``", name)
        there = re.findall(r'"([^"\n]+)"', "".join(path.read_text() for path in
                                                   (ROOT / "selftests").rglob("*.c")))
        self.assertEqual([name for name, _, tests, _ in defects.DEFECTS if "fuzz: " in tests],
                         list(defects.SEQUENCES))
        for _, host, tests, _ in defects.DEFECTS:
            self.assertIn(host, defects.HOSTS)
            name = re.sub(r"^(user: )?\w+: (v[12?]: )?", "", tests)
            self.assertTrue(any(fnmatchcase(text, name) for text in there), tests)
