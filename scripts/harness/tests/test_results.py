# SPDX-License-Identifier: GPL-2.0-only
"""The page of results: nothing gets lost, and what failed is said."""
import io
from unittest.mock import patch

from harness import results
from harness.paths import ROOT
from harness.tests import Scratch


class Results(Scratch):
    def record(self, name, date, said, status):
        with patch.object(results, "OUT", self.top), patch("time.strftime", lambda *_: date), \
                patch("sys.argv", ["results", name, "abc", status]), \
                patch("sys.stdin", io.StringIO(f"{said}\n")):
            self.assertEqual(results.main(""), 0)
        return (self.top / "results" / name).read_text()

    def test_kept(self):
        """What was not measured again stays, and what is older than the page replaces nothing."""
        page = results.page("Head\n", [self.record("bench", "2026-01-02", "one\n\n  two", "0")])
        self.assertIn("``make clients``: no complete run is recorded.", page)
        self.assertRegex(page, r"``make bench``, 2026-01-02, source abc, on \d+ processors.*::\n\n"
                         r"   one\n\n     two\n")
        self.assertNotIn("failed", page)
        self.assertEqual(results.page(page, []), page)
        self.assertEqual(results.page(page, [self.record("bench", "2026-01-01", "x", "0")]), page)
        new = results.page(page, [self.record("clients", "2026-01-01", "two", "3")])
        self.assertRegex(new, r"``make clients``, 2026-01-01, .*, \*\*failed\*\*::\n\n   two\n")
        self.assertIn(page[page.index("``make bench``"):], new)

    def test_page_of_this_tree(self):
        text = (ROOT / "Documentation/results.rst").read_text()
        self.assertEqual(results.page(text, []), text)
        self.assertEqual(text.count("\n\n``"), len(results.PARTS))
