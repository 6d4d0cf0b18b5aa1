# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nightly/defects: what shows a defect, and what does not."""
import contextlib
import fnmatch
import io
import re
import unittest
from unittest.mock import patch

from harness import sources
from harness.paths import ROOT, SCRIPTS
from harness.tests import load

defects = load(SCRIPTS / "nightly/defects")

CHECK = "dma.c:1: map(x) returned 0, not -EINVAL"
WARNING = "WARNING: CPU: 0 PID: 57 at arch/powerpc/mm/init.c:1 destroy_context+0x1/0x2"


class Defects(unittest.TestCase):
    def test_evidence(self):
        """All of the tests have to fail, or the kernel to complain; and with these words."""
        bad, good = f"# {CHECK}\nnot ok 1 user: x", f"# {CHECK}\nok 1 user: x"
        complaint = f"[    5.0] {WARNING}"
        for text, words, said in (
                (bad, "", CHECK), ("not ok 1 user: x", "", "it fails"), (good, "", None),
                ("", "", None), (bad + "\nok 2 user: x y", "", None),
                (bad + "\nok 2 user: xy # SKIP no", "", None),
                (bad + "\nok 2 user: y", "", CHECK), (f"# {CHECK}\nnot ok 1 user: y", "", None),
                (f"{good}\n{complaint}", "", WARNING), (complaint, "", WARNING),
                (bad, "returned", CHECK), (bad, "other", None), (good, "returned", None),
                (f"{bad}\n{complaint}", "WARN", WARNING), (complaint, "other", None)):
            defect = defects.Defect("map-past-end", "powernv", "user: x*", words)
            self.assertEqual(defects.evidence(defect, f"KTAP version 1\n1..1\n{text}"), said, text)

    def test_shown(self):
        """The tests of a line run, or the fuzzer repeats a sequence."""
        for defect in defects.DEFECTS:
            with patch.object(defects.programs, "boot", return_value=(0, "")) as boot, \
                    patch.object(defects, "repeat", return_value=(0, "")) as repeat:
                self.assertIsNone(defects.shown(defect))
            fuzz = defect.tests.startswith("fuzz: ")
            self.assertEqual((boot.called, repeat.called), (not fuzz, fuzz), defect)

    def test_ours(self):
        """Each operation has to be one that the fuzzer has understood."""
        counts = [len(calls) for calls in defects.SEQUENCES.values()]
        for repeated, good in ((counts, True), (counts[1:], False), ([*counts[:-1], 0], False)):
            text = "".join(f"# {n} operations to repeat\n" for n in repeated)
            with contextlib.redirect_stdout(io.StringIO()), patch.object(defects, "output"), \
                    patch.object(defects, "repeat",
                                 return_value=(0, f"KTAP version 1\n1..1\n{text}ok 1 x\n")):
                self.assertEqual(defects.ours("kernel", "machine"), good)

    def test_page(self):
        """Each name of the page has a test here, or names a KUnit case; and each test is there."""
        page = (ROOT / "Documentation/in-tree.rst").read_text()
        described = dict(re.findall(r"^   \* - ``([a-z0-9-]+)``\n(.*?)(?=^   \* -|^\S)", page,
                                    re.M | re.S))
        self.assertGreater(len(described), 25)
        self.assertGreaterEqual(len(defects.DEFECTS), 30)
        names = {defect.name for defect in defects.DEFECTS}
        self.assertLessEqual(names, set(described))
        for name in set(described) - names:
            self.assertRegex(described[name], r"\bKUnit ``tce_|tests? ``", name)
        there = [*sources.tests(), *(f"fuzz: {compared}" for compared in re.findall(
            r"^\s\[WRONG_\w+\]\s*= \"(.*)\"", (ROOT / "selftests/fuzz.c").read_text(), re.M))]
        for defect in defects.DEFECTS:
            self.assertIn(defect.host, defects.HOSTS)
            self.assertGreater(len(defect.words), 2, defect)
            self.assertTrue(fnmatch.filter(there, defect.tests.removeprefix("user: ")))
        self.assertEqual([defect.name for defect in defects.DEFECTS if "fuzz: " in defect.tests],
                         list(defects.SEQUENCES))
