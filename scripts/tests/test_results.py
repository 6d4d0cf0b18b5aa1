# SPDX-License-Identifier: GPL-2.0-only
"""scripts/results: what is kept, and the page that has it."""
import tempfile
import unittest
from pathlib import Path

from tce import results


class Results(unittest.TestCase):
    def test_page(self):
        with tempfile.TemporaryDirectory() as tmp:
            results.save("kunit", "kernel   passed\n6.12-4k    1700\n", Path(tmp), "0123456789ab")
            text = results.page(Path(tmp))
        for part in ("``make kunit``, ", "source 0123456789ab", "::\n\n   kernel   passed\n   6.12-4k    1700\n\n",
                     "Missing: ``make mutation`` was not run to a good end."):
            self.assertIn(part, text)
        self.assertEqual(text.count("Missing: "), len(results.PARTS) - 1)
