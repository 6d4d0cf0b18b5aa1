# SPDX-License-Identifier: GPL-2.0-only
"""scripts/docs: a link that leads nowhere is found, as HTML and on a forge."""
from harness.links import dead
from harness.paths import ROOT
from harness.tests import Scratch


class Links(Scratch):
    def found(self, link, forge):
        name = "a/b.rst" if forge else "a/b.html"
        self.file("c/d.rst" if forge else "c/d.html",
                  '<h2 id="as-it-s-called"><a>As it\'s</a> called</h2>'
                  '<h2 id="id1">As its called</h2>')
        self.file(name, f'<p id="here"><a href="{link}">x</a></p><h1>Its own (one)</h1>')
        return dead(self.top, ROOT if forge else None)

    def test_html(self):
        for link, good in (("../c/d.html", True), ("../c/d.html#as-it-s-called", True),
                           ("#here", True), ("https://nowhere.invalid/", True),
                           ("../c/e.html", False), ("d.html", False), ("../c/d.rst", False),
                           ("../c/d.html#as-its-called", False), ("#there", False),
                           ("../../README.md", False)):
            self.assertEqual([*map(bool, self.found(link, False))][1], not good, link)

    def test_forge(self):
        for link, good in (("../c/d.rst", True), ("../c/d.rst#as-its-called", True),
                           ("../c/d.rst#as-its-called-1", True), ("#its-own-one", True),
                           ("../Kbuild", True), ("../c/d.html", False),
                           ("../c/d.rst#as-it-s-called", False), ("#here", False),
                           ("../c", False), ("../Kbuild#here", False)):
            self.assertEqual([*map(bool, self.found(link, True))][1], not good, link)

    def test_none(self):
        self.assertEqual(dead(self.top, None), (0, []))
