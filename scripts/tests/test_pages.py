# SPDX-License-Identifier: GPL-2.0-only
"""scripts/docs: what Sphinx complains about fails it."""
import re
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

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

    def test_api(self):
        """Each file's comments, but not those of a second version of a function."""
        with tempfile.TemporaryDirectory() as tmp, patch.object(pages, "ROOT", Path(tmp)):
            for name, text in (("a.c", "/**\n * f() - one\n */\n/**\n * struct s - two\n */\n"), ("a.h", "/**\n * f() - three\n */\n"),
                               ("b.h", "/**\n * f() - four\n */\n/**\n * g() - five\n */\n"), ("c.h", "int i;\n")):
                (Path(tmp) / name).write_text(text)
            text = pages.api([Path(name) for name in ("a.c", "a.h", "b.h", "c.h")])
        self.assertEqual(re.findall(r"^.. kernel-doc:: (.*)\n   :no-identifiers: (.*)$", text, re.M), [("a.c", ""), ("b.h", "f")])
