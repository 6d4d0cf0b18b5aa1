# SPDX-License-Identifier: GPL-2.0-only
"""scripts/ktap: reports that hold, and reports that do not."""
import unittest

from tce import ktap


class Ktap(unittest.TestCase):
    def good(self, *lines):
        results, wrong = ktap.parse("\n".join(lines))
        return bool(ktap.count(results, "pass")) and not ktap.count(results, "FAIL") and not wrong

    def test_pass(self):
        self.assertTrue(self.good("KTAP version 1", "1..2", "ok 1 a", "ok 2 b # SKIP no device"))

    def test_nothing_ran(self):
        self.assertFalse(self.good(""))
        self.assertFalse(self.good("KTAP version 1", "1..0"))

    def test_only_skipped(self):
        self.assertFalse(self.good("KTAP version 1", "1..1", "ok 1 a # SKIP no device"))

    def test_failed(self):
        self.assertFalse(self.good("KTAP version 1", "1..2", "ok 1 a", "not ok 2 b"))

    def test_cut_off(self):
        self.assertFalse(self.good("KTAP version 1", "1..2", "ok 1 a"))
        self.assertFalse(self.good("KTAP version 1", "1..2", "ok 1 a", "KTAP version 1", "1..1", "ok 1 b"))

    def test_no_plan(self):
        self.assertFalse(self.good("KTAP version 1", "ok 1 a"))

    def test_out_of_order(self):
        self.assertFalse(self.good("KTAP version 1", "1..2", "ok 2 b", "ok 1 a"))

    def test_names(self):
        results, _ = ktap.parse("KTAP version 1\n1..2\nok 1 a: b # c\nok 2 - d")
        self.assertEqual(list(results), ["a: b", "d"])
        results, _ = ktap.parse("\n".join((*self.kunit, "[    1.0]     ok 2 b", "[    1.0] ok 1 suite")))
        self.assertEqual(list(results), ["suite.a", "suite.b"])

    kunit = ("[    1.0] KTAP version 1", "[    1.0] 1..1", "[    1.0]     KTAP version 1",
             "[    1.0]     # Subtest: suite", "[    1.0]     1..2", "[    1.0]     ok 1 a")

    def test_kunit(self):
        self.assertTrue(self.good(*self.kunit, "[    1.0]     ok 2 b", "[    1.0] ok 1 suite"))
        self.assertFalse(self.good(*self.kunit, "[    1.0]     not ok 2 b", "[    1.0] not ok 1 suite"))
        self.assertFalse(self.good(*self.kunit, "[    1.0] ok 1 suite"))
        self.assertFalse(self.good(*self.kunit, "[    1.0]     ok 2 b", "[    1.0] not ok 1 suite"))
