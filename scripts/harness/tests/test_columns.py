# SPDX-License-Identifier: GPL-2.0-only
"""scripts/harness/columns.py: a line that is too long is found, and no other."""
import io
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

from harness import columns


class Columns(unittest.TestCase):
    def test_beyond(self):
        for good in ("", "x" * 100, "\t" * 12 + "xxxx", "…" * 100):
            self.assertEqual(list(columns.beyond(f"{good}\n")), [])
        self.assertEqual(list(columns.beyond("x\n" + "x" * 101 + "\n")), [(2, 101)])
        self.assertEqual(list(columns.beyond("x" * 95 + "\tx" + "\nx\t" + "x" * 93)),
                         [(2, 101)])
        self.assertEqual(list(columns.beyond("x" * 96 + "\t")), [(1, 104)])

    def test_files(self):
        """Nothing to look at is a failure, too."""
        with tempfile.TemporaryDirectory() as tmp, redirect_stdout(io.StringIO()) as said:
            good, bad = Path(tmp, "good"), Path(tmp, "bad")
            good.write_text("x\n")
            bad.write_text("x\n" + "x" * 120)
            self.assertEqual([columns.main(some) for some in ([good], [good, bad], [])], [0, 1, 1])
        self.assertEqual(said.getvalue(), f"{bad}:2: 120 columns, of 100\n")
