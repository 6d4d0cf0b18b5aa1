# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-docs: which declarations need a comment; scripts/doc-commands: what a document has for the tests."""
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

from tce import docs
from tce.paths import ROOT, SCRIPTS


class Docs(unittest.TestCase):
    source = """/* SPDX */
#define X(a) \\
	b
struct a {
	int b;
};

static int c(void)
{
}

long d(int e,
       int f)
{
}

static inline int g(void)
{
}
"""

    def test_needed(self):
        self.assertEqual(docs.needed(self.source, header=False), ["a", "d"])
        self.assertEqual(docs.needed(self.source, header=True), ["a", "d", "g"])

    def test_missing(self):
        self.assertEqual(docs.missing(self.source, False, {"a"}), ["d"])
        self.assertEqual(docs.missing(self.source, False, {"a", "d"}), [])


class Pieces(unittest.TestCase):
    def pieces(self, text):
        with tempfile.TemporaryDirectory() as name:
            page, out = Path(name) / "page.rst", Path(name) / "out"
            page.write_text(text)
            out.mkdir()
            done = subprocess.run([SCRIPTS / "doc-commands", page, out])
            return done.returncode, {path.name: path.read_text() for path in out.iterdir()}

    def test_pieces(self):
        code, pieces = self.pieces("Text\n\n.. run by the tests: one\n.. code-block:: sh\n\n   a\n   b\n\nText\n\n"
                                   ".. code-block:: sh\n\n   not\n\n.. run by the tests: two\n.. code-block:: xml\n\n   <c/>\n")
        self.assertEqual(code, 0)
        self.assertEqual({name: text.split() for name, text in pieces.items()}, {"one": ["a", "b"], "two": ["<c/>"]})

    def test_none(self):
        self.assertEqual(self.pieces("Text\n\n.. code-block:: sh\n\n   a\n"), (1, {}))

    def test_libvirt(self):
        """What scripts/guest/libvirt.sh takes from the page is there, and the XML is whole."""
        _, pieces = self.pieces((ROOT / "Documentation/passthrough.rst").read_text())
        for name, tag in (("card", "hostdev"), ("max-memory", "maxMemory"), ("features", "features")):
            self.assertEqual(xml.etree.ElementTree.fromstring(pieces[f"{name}.xml"].strip()).tag, tag)
        self.assertLessEqual({"virsh-define", "virsh-start", "virsh-detach"}, pieces.keys())
