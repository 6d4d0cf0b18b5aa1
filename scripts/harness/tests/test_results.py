# SPDX-License-Identifier: GPL-2.0-only
"""The page of results: nothing gets lost, and what failed is said."""
import io
from unittest.mock import patch

from harness import results
from harness.paths import ROOT
from harness.tests import Scratch


class Results(Scratch):
    def record(self, name, said, status):
        with patch.object(results, "OUT", self.top), \
                patch("sys.argv", ["results", name, "abc", status]), \
                patch("sys.stdin", io.StringIO(f"{said}\n")):
            self.assertEqual(results.main(""), 0)
        return (self.top / "results" / name).read_text()

    def test_kept(self):
        """What was not measured again stays, and what failed says so."""
        page = results.page("Head\n", [self.record("bench", "one\n\n  two", "0")])
        self.assertRegex(page, r"\AHead\n\nInstructions\n=+\n\n``make bench``, \d{4}-\d\d-\d\d, "
                         r"source abc, on \d+ processors[^*]*::\n\n   one\n\n     two\n\Z")
        new = results.page(page, [self.record("clients", "three", "3")])
        self.assertRegex(new, r"``make clients``, .*, \*\*failed\*\*::\n\n   three\n")
        self.assertIn(page[page.index("``make bench``"):], new)
        self.assertNotIn("two", results.page(new, [self.record("bench", "four", "0")]))

    def test_page_of_this_tree(self):
        text = (ROOT / "Documentation/results.rst").read_text()
        self.assertEqual(results.page(text, []), text)
