# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nightly/coverage: what comes through the console."""
import base64
import gzip
import unittest

from harness.paths import SCRIPTS
from harness.tests import load

coverage = load(SCRIPTS / "nightly/coverage")


class Coverage(unittest.TestCase):
    def test_data(self):
        data = base64.encodebytes(gzip.compress(b"x" * 500)).decode()
        text = f">> gcov /sys/kernel/debug/gcov/x/tce_table.gcda\n{data}>> gcov end\n"
        self.assertEqual(coverage.data_of(text), {"tce_table.gcda": b"x" * 500})
        # the kernel speaks in the middle of a line, at its end, and in place of all of it
        said = "[    1.234567] tick: said\n"
        for at in (len(text) - 30, text.index("\n") + 1, text.index(">> gcov end")):
            self.assertEqual(coverage.data_of(text[:at] + said + text[at:]),
                             {"tce_table.gcda": b"x" * 500})
        with self.assertRaises((ValueError, OSError, EOFError)):
            coverage.data_of(text.replace(data[:20], ""))
