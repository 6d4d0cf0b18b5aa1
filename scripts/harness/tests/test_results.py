# SPDX-License-Identifier: GPL-2.0-only
"""The page of results: nothing gets lost, and what failed is said."""
import io
from unittest.mock import patch

from harness import results
from harness.paths import ROOT
from harness.tests import Scratch


class Results(Scratch):
    def page(self, old):
        return results.page(old, [file.read_text() for file in (self.top / "results").glob("*")])

    def record(self, name, date, said="one\n\n  two  3\n", good=True):
        with patch.object(results, "OUT", self.top), \
                patch("time.strftime", lambda *_: date):
            results.record(name, good, said, "abc")

    def test_kept(self):
        """What was not measured again is what it was, and so is all else if nothing is new."""
        empty = self.page("Head\n")
        self.assertIn("Guests\n======\n\n``scripts/guests``: no complete run is recorded.", empty)
        self.record("clients", "2026-01-01", "1st")
        self.record("bench", "2026-01-01")
        old = self.page(empty)
        self.assertRegex(old, r"``make bench``, 2026-01-01, source abc, on \d+ processors.*::\n\n"
                         r"   one\n\n     two  3\n")
        self.assertLess(old.index("make clients``, "), old.index("make bench``, "))
        self.assertEqual(results.page(old, []), old)
        self.assertEqual(self.page(old), old)
        self.record("clients", "2026-01-02", "2nd", False)
        new = self.page(old)
        self.assertEqual(new.replace(", **failed**", "", 1), old.replace("1st", "2nd").replace(
            "make clients``, 2026-01-01", "make clients``, 2026-01-02"))
        self.record("clients", "2025-12-31", "zeroth")      # left here long ago
        self.assertEqual(self.page(new), new)

    def test_exit_code(self):
        """What a script says is kept as good, or as failed."""
        for status, good in (("0", True), ("3", False)):
            with patch("sys.argv", ["results", "guest", "abc", status]), \
                    patch("sys.stdin", io.StringIO("it\n")), \
                    patch.object(results, "record") as record:
                results.main("")
            record.assert_called_once_with("guest", good, "it\n", "abc")

    def test_page_of_this_tree(self):
        text = (ROOT / "Documentation/results.rst").read_text()
        self.assertEqual(results.page(text, []), text)
        self.assertEqual(text.count("\n\n``"), len(results.PARTS))
