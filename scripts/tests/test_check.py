# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check: how steps are counted, and rows that are skipped everywhere."""
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from tce import kernels
from tce.check import matrix, steps
from tce.check.rows import judge_rows, read_skips
from tce.check.run import Check as Counter
from tce.check.run import reasons


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
        text = counter.summary(5)
        for part in ("2 goals missed", "1 tests skipped", "3 passed, 0 failed"):
            self.assertIn(part, text)

    def test_kernels(self):
        rows = {"6.1-64k": ["debian", "6.1", "powerpc64le", "host"], "6.12-clang": ["clang", "linux-source-6.12/x", "c-", "base"],
                "old-64k": ["source", "linux-source-6.1/x", "c-", "base,64k-pages"],
                "6.1-be": ["source", "linux-source-6.1/x", "c-", "base,big-endian,debug,kasan"],
                "5.14-of-6.1-64k": ["named", "6.1-64k", "5.14"],
                "new-be": ["source", "linux-source-7.3/x", "c-", "base,big-endian"]}
        with patch.object(kernels, "rows", return_value=rows), patch.object(steps, "MORE", [("6.1-64k", "powernv8")]):
            # make check has 6.1-64k, and nothing is booted of what clang compiles
            self.assertEqual(steps.others(), ["old-64k", "6.1-be", "5.14-of-6.1-64k", "new-be"])
            run = [name for name, _, _ in steps.runs()]
            self.assertEqual(run, ["selftest 6.1-64k powernv8", "selftest old-64k powernv8", "selftest old-64k powernv9",
                                   "selftest 6.1-be powernv9", "selftest 5.14-of-6.1-64k powernv9",
                                   "selftest new-be powernv9", "selftest new-be pseries", "hotplug old-64k",
                                   "hotplug 6.1-be", "hotplug 5.14-of-6.1-64k"])
            said = {name: f" ({i} tests, 2 skipped)" for i, name in enumerate(run)} | {"hotplug 6.1-be": ""}
            table = matrix.others(said)
            self.assertEqual(table[2], ["old-64k", "64K", "little", "powernv8", "test programs as user", "1 tests, 2 skipped"])
            self.assertEqual(table[4], ["6.1-be", "4K", "big", "powernv9", "test programs as root", "3 tests, 2 skipped"])
            self.assertEqual(table[9], ["6.1-be", "4K", "big", "powernv9", "hotplug", "good"])
            self.assertEqual(len(matrix.others({"hotplug 6.1-be": ""})), 2)

    def test_steps_say_how_it_went(self):
        counter = Counter()
        with tempfile.TemporaryDirectory() as tmp, patch("tce.check.run.LOGS", Path(tmp)), patch("tce.check.run.ROOT", Path(tmp)), \
                patch("tce.check.run.SCRIPTS", Path("/bin")), patch("builtins.print"):
            counter.step("good", ["echo", ">> a: 3 passed, 0 failed, 2 skipped"], False)
            counter.step("bad", ["false"], False)
        self.assertEqual(counter.said["good"], " (3 tests, 2 skipped)")
        self.assertEqual(counter.said["bad"], "failed")

    def test_why_a_step_failed_is_shown(self):
        said = [f"line {n}" for n in range(40)]
        said[3], said[5] = "v2 close, per TCE   5   3   <= 4: MISSED", "v1 map   5   3   <= 4: MISSED, as known: why"
        self.assertEqual(reasons(said), [said[3], *said[-15:]])
        self.assertEqual(reasons(["not ok 1 x", "!! y"]), ["not ok 1 x", "!! y"])
