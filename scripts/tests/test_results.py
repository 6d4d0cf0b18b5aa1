# SPDX-License-Identifier: GPL-2.0-only
"""scripts/results: figures that are kept, and the page that has them."""
import tempfile
import unittest
from pathlib import Path

from tce import results


class Results(unittest.TestCase):
    def test_page(self):
        with tempfile.TemporaryDirectory() as tmp:
            results.save("kunit", [["kernel", "passed"], ["6.12-4k", 1700]], Path(tmp), "0123456789ab")
            results.save("check", {"passed": 3681, "Steps": [["step", "said"], ["lint", "good"]]}, Path(tmp), "0123456789ab")
            text = results.page(Path(tmp))
        for part in ("``make kunit``, ", "source 0123456789ab", "6.12-4k  1700\n", "* passed: 3,681\n", "Steps:\n\n====",
                     "Missing: ``make mutation`` was not run to a good end."):
            self.assertIn(part, text)
        self.assertEqual(text.count("Missing: "), len(results.PARTS) - 2)

    def test_shell(self):
        self.assertEqual(results.pairs(["ioctls\t1059795\n", "what\ta b\n"]), {"ioctls": 1059795, "what": "a b"})
        with self.assertRaises(ValueError):
            results.pairs(["no figure\n"])
