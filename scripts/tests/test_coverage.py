# SPDX-License-Identifier: GPL-2.0-only
"""scripts/coverage: what comes through the console, and lines that nothing runs."""
import base64
import gzip
import unittest

from tce.paths import SCRIPTS
from tests import load

coverage = load(SCRIPTS / "coverage")


class Coverage(unittest.TestCase):
    sources = {"tce_table.c": "static int f(int a)\n{\n\tif (a)\n\t\treturn -EIO;\n\tif (!a)\n\t\treturn -EIO;\n}\n"}
    reason = "# SPDX\n\ntce_table.c\n\tif (a)\n\t\treturn -EIO;\n= never: because\n"

    def judge(self, uncovered, reasons=""):
        lines = [{"line_number": n, "count": int(n not in uncovered), "gcovr/noncode": n < 3} for n in range(1, 8)]
        return coverage.judge({"tce_table.c": lines}, reasons, self.sources)

    def test_judge(self):
        self.assertEqual(self.judge(()), [])
        self.assertEqual(self.judge((1, 2)), [])
        self.assertEqual(len(self.judge((4, 6))), 2)
        self.assertEqual(self.judge((4,), self.reason), [])
        self.assertEqual(len(self.judge((4, 6), self.reason)), 1)
        self.assertEqual(len(self.judge((), self.reason)), 1)

    def test_reasons(self):
        two = self.reason + "\ntce_table.c\n\t\treturn -EIO;\n}\n= never: the same\n"
        self.assertEqual(self.judge((4, 6), two), [])
        for bad in ("\ntce_table.c\n\t\treturn -EIO;\n= twice there\n", "\ntce_table.c\n\treturn;\n= gone\n",
                    "\nother.c\n\tif (a)\n= gone\n", "\ntce_table.c\n}\n"):
            self.assertTrue(self.judge((4,), self.reason + bad), bad)

    def test_data(self):
        data = base64.encodebytes(gzip.compress(b"x" * 500)).decode()
        text = f">> gcov /sys/kernel/debug/gcov/x/tce_table.gcda\n{data}>> gcov end\n"
        self.assertEqual(coverage.data_of(text), {"tce_table.gcda": b"x" * 500})
        # the kernel speaks in the middle of a line, at its end, and in place of all of it
        said = "[    1.234567] tick: said\n"
        for at in (len(text) - 30, text.index("\n") + 1, text.index(">> gcov end")):
            self.assertEqual(coverage.data_of(text[:at] + said + text[at:]), {"tce_table.gcda": b"x" * 500})
        with self.assertRaises((ValueError, OSError, EOFError)):
            coverage.data_of(text.replace(data[:20], ""))
