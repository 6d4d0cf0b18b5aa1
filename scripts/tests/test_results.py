# SPDX-License-Identifier: GPL-2.0-only
"""scripts/results: figures that are kept, and the page that has them; scripts/check-tree: what does not fit together."""
import json
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from tce import results
from tce.paths import SCRIPTS


class Results(unittest.TestCase):
    def test_page(self):
        with tempfile.TemporaryDirectory() as tmp:
            out = Path(tmp)
            results.save("kunit", [["kernel", "passed"], ["6.12-4k", 1700]], out, "0123456789ab")
            results.save("check", {"passed": 3681, "rate": "91 %", "Steps": [["step", "said"], ["lint", "good"]]}, out, "0123456789ab")
            kept = json.loads((out / "kunit/result.json").read_text())
            self.assertLessEqual({"date", "source", "machine", "figures"}, kept.keys())
            text = results.page(out)
            for part in (f"``make kunit``, {kept['date']}, source 0123456789ab, on {kept['machine']}", "6.12-4k  1700\n",
                         "* passed: 3,681\n", "* rate: 91 %\n", "Steps:\n\n====", "Missing: ``make mutation`` was not run to a good end."):
                self.assertIn(part, text)
            self.assertEqual(text.count("Missing: "), len(results.PARTS) - 2)

    def test_shell(self):
        with tempfile.TemporaryDirectory() as tmp:
            (Path(tmp) / "fuzz").mkdir()
            self.assertEqual(results.pairs(["ioctls\t1059795\n", "what\ta b\n"]), {"ioctls": 1059795, "what": "a b"})
            with self.assertRaises(ValueError):
                results.pairs(["no figure\n"])

    def test_source(self):
        with tempfile.TemporaryDirectory() as tmp, patch.dict("os.environ", {"GIT_CEILING_DIRECTORIES": "/"}):
            self.assertEqual(results.commit(Path(tmp)), "unknown")


class Tree(unittest.TestCase):
    def said(self, **changes):
        files = {"Kbuild": "vfio_iommu_spapr_tce-y := face.o tce_upper.o\nvfio_iommu_spapr_tce-y += tce_lower.o\n"
                           "$(obj)/face.o: $(src)/vfio_iommu_spapr_tce.c FORCE\n",
                 "vfio_iommu_spapr_tce.c": '#include "tce_upper.h"\n', "tce_upper.h": "",
                 "tce_upper.c": '#include "tce_lower.h"\nint tce_a(void)\n', "tce_lower.h": "", "tce_lower_inline.h": "",
                 "tce_lower.c": "",
                 "README.md": "`tce_upper.c` and `tce_a()`\n", **changes}
        with tempfile.TemporaryDirectory() as tmp:
            for name, text in files.items():
                (Path(tmp) / name).parent.mkdir(exist_ok=True)
                (Path(tmp) / name).write_text(text)
            done = subprocess.run([SCRIPTS / "check-tree", tmp], stdout=subprocess.PIPE, text=True)
            return done.returncode, done.stdout

    def test_good(self):
        self.assertEqual(self.said(), (0, ">> check-tree: 0 complaints\n"))

    def test_faults(self):
        for name, text, said in (
                ("tce_lower.h", '#include "tce_upper.h"\n', "tce_lower.h: includes tce_upper.h, which is above it"),
                ("tce_lower_inline.h", '#include "tce_upper.h"\n', "tce_lower_inline.h: includes tce_upper.h"),
                ("tce_upper.c", '#include "tce_new.h"\n', "tce_upper.c: includes tce_new.h"),
                ("tce_new.c", "", "tce_new.c: Kbuild lists no tce_new.c"),
                ("README.md", "\n`gone()`\n", "README.md:2: there is no gone()"),
                ("README.md", "`scripts/gone --all`\n", "README.md:1: there is no scripts/gone"),
                ("README.md", "`tce_gone.c`\n", "README.md:1: there is no tce_gone.c")):
            code, out = self.said(**{name: text})
            self.assertEqual((code, said in out), (1, True), out)


if __name__ == "__main__":
    unittest.main()
