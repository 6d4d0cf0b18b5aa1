# SPDX-License-Identifier: GPL-2.0-only
"""scripts/docs: what Sphinx complains about fails it."""
import tempfile
import unittest
from pathlib import Path

from tce import pages


class Pages(unittest.TestCase):
    """Documents that Sphinx complains about."""

    def said(self, text):
        with tempfile.TemporaryDirectory() as tmp:
            source = Path(tmp) / "source"
            (source / "Documentation").mkdir(parents=True)
            (source / "Documentation/conf.py").write_text('root_doc = "Documentation/index"\n')
            (source / "Documentation/index.rst").write_text(text)
            said = pages.build(source, Path(tmp))
            self.assertEqual((Path(tmp) / "html/Documentation/index.html").exists(), True)
            return said

    def test_warnings(self):
        self.assertEqual(self.said("Title\n=====\n\nText.\n"), "")
        for text in ("Title\n=====\n\n* a\nb\n", "Title\n=====\n\n:doc:`nowhere`\n", "Title\n=====\n\n.. image:: none.svg\n",
                     "Title\n=====\n\n`nowhere`_\n"):
            self.assertIn("index.rst", self.said(text), text)

    def test_kernel_doc(self):
        text = ".. c:struct:: a\n\n   text\n\n.. c:function:: int b (void)\n\n   more\n"
        self.assertEqual([name for name, _ in pages.objects(text)], ["a", "int b (void)"])
        self.assertEqual(pages.head_comment("// SPDX\n/*\n * About.\n *\n *   More.\n */\nint a;\n"), "::\n\n   About.\n\n     More.\n\n")
        self.assertEqual(pages.head_comment("// SPDX\nint a;\n"), "")
