# SPDX-License-Identifier: GPL-2.0-only
"""scripts/doc-commands: what a document has for the tests."""
import subprocess
import tempfile
import unittest
from pathlib import Path

from tce.paths import SCRIPTS


class Pieces(unittest.TestCase):
    def pieces(self, text):
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "out").mkdir()
            (Path(name) / "page").write_text(text)
            done = subprocess.run([SCRIPTS / "doc-commands", Path(name) / "page", Path(name) / "out"])
            return done.returncode, {path.name: path.read_text().split() for path in (Path(name) / "out").iterdir()}

    def test_pieces(self):
        text = "Text\n\n.. run by the tests: one\n.. code-block:: sh\n\n   a\n   b\n\nText\n\n.. code-block:: sh\n\n   not\n"
        self.assertEqual(self.pieces(text), (0, {"one": ["a", "b"]}))
        self.assertEqual(self.pieces(text.replace("run by", "")), (1, {}))
