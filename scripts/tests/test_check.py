# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check: how steps are counted, and rows that are skipped everywhere."""
import os
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from tce.check.rows import judge_rows, read_skips
from tce.check.run import Check as Counter
from tce.vm import command as vm


class Check(unittest.TestCase):
    def count(self, output, good=True):
        counter = Counter()
        good, _ = counter.count(output, good)
        return good, counter.passed, counter.failed, counter.skipped, counter.missed

    def test_count(self):
        self.assertEqual(self.count("x\n>> a: 3 passed, 0 failed, 2 skipped\n"), (True, 3, 0, 2, 0))
        self.assertEqual(self.count(">> a: 3 passed, 0 failed, 0 skipped, 1 missed\n"), (True, 3, 0, 0, 1))
        self.assertEqual(self.count("nothing"), (True, 1, 0, 0, 0))
        self.assertEqual(self.count("nothing", False), (False, 0, 1, 0, 0))
        # the tests passed, the run did not; and the other way round
        self.assertEqual(self.count(">> a: 3 passed, 0 failed, 0 skipped\n", False), (False, 3, 1, 0, 0))
        self.assertEqual(self.count(">> a: 3 passed, 1 failed, 0 skipped\n"), (False, 3, 1, 0, 0))
        self.assertEqual(self.count(">> a: 0 passed, 0 failed, 5 skipped\n"), (False, 0, 1, 5, 0))

    def test_rows(self):
        def report(*lines):
            return "\n".join(("KTAP version 1", f"1..{len(lines)}", *lines))
        good = report("ok 1 a: x", "ok 2 user: a: x", "ok 3 a: y # SKIP no")
        self.assertEqual(judge_rows([good, report("ok 1 user: a: y")], {}), [])
        self.assertTrue(judge_rows([good, report("ok 1 user: a: y # SKIP no")], {}))
        self.assertEqual(judge_rows([good], {"a: y": "why"}), [])
        self.assertTrue(judge_rows([report("ok 1 a: y")], {"a: y": "why"}))
        self.assertTrue(judge_rows([good], {"a: y": "why", "a: gone": "why"}))
        self.assertTrue(judge_rows([], {}))
        self.assertEqual(read_skips("# SPDX\n\na: y: z: why\n"), {"a: y: z": "why"})

    def test_summary(self):
        counter = Counter()
        counter.count(">> a: 3 passed, 0 failed, 1 skipped, 2 missed\n", True)
        text = counter.summary(5, ["vm x: QEMU ended by itself"])
        for part in ("again: vm x", "1 machines started again", "2 goals missed", "1 tests skipped", "3 passed, 0 failed"):
            self.assertIn(part, text)

    def test_retry_is_noted(self):
        with tempfile.TemporaryDirectory() as tmp:
            with patch.dict(os.environ, {"TCE_RETRIES": f"{tmp}/x"}):
                vm.note_retry("one")
                vm.note_retry("two")
            self.assertEqual((Path(tmp) / "x").read_text(), "one\ntwo\n")

