# SPDX-License-Identifier: GPL-2.0-only
"""The pictures: each figure is there, and they are those of the page."""
import io
import re
import unittest
import xml.etree.ElementTree as ET
from contextlib import redirect_stderr

from harness import plots
from harness.paths import ROOT

PAGE = (ROOT / "Documentation/results.rst").read_text()


class Plots(unittest.TestCase):
    def test_bars(self):
        """Each is as long as its value, and has it at its end."""
        said = plots.bars("x", [("a", (400.5, 100)), ("b", (50, 200))])
        ET.fromstring(said)
        wide = [float(w) for w in re.findall(r'width="([\d.]+)" height="13"', said)[2:]]
        for bar, value in zip(wide, (400.5, 100, 50, 200), strict=True):
            self.assertAlmostEqual(bar / wide[0], value / 400.5, 3)
            self.assertIn(f">{value:,.0f}</text>", said)

    def test_page_of_this_tree(self):
        for file, picture in plots.pictures(PAGE):
            self.assertEqual(picture, (ROOT / "Documentation" / file).read_text(), file)

    def test_missing(self):
        """Nothing is drawn of what was not measured."""
        for said in ("", PAGE.replace("v2 UNMAP of", "other"), PAGE.replace("H_STUFF", "other")):
            with self.assertRaises(SystemExit), redirect_stderr(io.StringIO()):
                list(plots.pictures(said))
