# SPDX-License-Identifier: GPL-2.0-only
"""scripts/harness/ktap.py: reports that hold, and reports that do not."""
import unittest

from harness import ktap
from harness.skips import Host
from harness.vm import console

KUNIT = """[    1.000000] KTAP version 1
[    1.000000] 1..1
[    1.000000]     KTAP version 1
[    1.000000]     # Subtest: tce_one
[    1.000000]     1..3
[    1.000000]     ok 1 plain
[    1.000000]     ok 2 other # SKIP no such memory
[    1.000000]         KTAP version 1
[    1.000000]         # Subtest: many
[    1.000000]         ok 1 v1
[    1.000000]         ok 2 v2
[    1.000000]     # many: pass:2 fail:0 skip:0 total:2
[    1.000000]     ok 3 many
[    1.000000] # tce_one: pass:2 fail:0 skip:1 total:3
[    1.000000] ok 1 tce_one
"""


class Ktap(unittest.TestCase):
    def good(self, *lines):
        reader = ktap.read("\n".join(lines))
        return (bool(ktap.count(reader.results, "pass")) and not ktap.count(reader.results, "FAIL")
                and not reader.errors)

    def test_plain(self):
        self.assertTrue(self.good("KTAP version 1", "1..2", "ok 1 a", "ok 2 b # SKIP no device"))
        for wrong in ([""], ["KTAP version 1", "1..0"],
                      ["KTAP version 1", "1..1", "ok 1 a # SKIP no device"],      # nothing passed
                      ["KTAP version 1", "1..2", "ok 1 a", "not ok 2 b"],
                      ["KTAP version 1", "1..2", "ok 1 a"],
                      ["KTAP version 1", "1..2", "ok 1 a", "KTAP version 1", "1..1", "ok 1 b"],
                      ["KTAP version 1", "ok 1 a"], ["KTAP version 1", "1..2", "ok 2 b", "ok 1 a"]):
            self.assertFalse(self.good(*wrong), wrong)

    def test_names(self):
        self.assertEqual(list(ktap.read("KTAP version 1\n1..2\nok 1 a: b # c\nok 2 - d").results),
                         ["a: b", "d"])
        self.assertEqual(list(ktap.read(KUNIT).results),
                         ["tce_one.plain", "tce_one.other", "tce_one.many: v1", "tce_one.many: v2"])

    def test_kunit(self):
        self.assertTrue(self.good(KUNIT))
        for line in ("    ok 1 plain\n", "    ok 2 other # SKIP no such memory\n",
                     "    ok 3 many\n", " ok 1 tce_one\n", "        ok 1 v1\n", "        ok 2 v2\n",
                     "    # many: pass:2 fail:0 skip:0 total:2\n"):
            self.assertIn(line, KUNIT)
            self.assertFalse(self.good("".join(said for said in KUNIT.splitlines(True)
                                               if not said.endswith(line))), line)
        for line in ("    ok 1 plain", "    ok 2 v2", "ok 1 tce_one"):
            self.assertFalse(self.good(KUNIT.replace(line, line.replace("ok", "not ok"))), line)

    def test_found_before_it_hangs(self):
        """The fuzzer says at once what is wrong, and may then not come to its end."""
        _, faults = ktap.judge("\nVM-START\nKTAP version 1\n1..8\n# locked memory is odd\n"
                               "not ok 1 fuzz: locked memory\n# round 3 of seed 1\n", code=3)
        self.assertEqual(faults[0], "not ok: fuzz: locked memory (locked memory is odd)")

    def test_failure_tells_why(self):
        log = ("KTAP version 1", "1..3", "# a", "ok 1 x", "# b.c:7: -EIO", "not ok 2 y # timeout",
               "ok 3 z # SKIP no")
        reader = ktap.read("\n".join(log))
        self.assertEqual(reader.details, {"y": "b.c:7: -EIO; timeout"})
        self.assertEqual(reader.reasons, {"y": "timeout", "z": "no"})

    def test_expectation_tells_why(self):
        failed = KUNIT.replace("[    1.000000]     ok 1 plain", """\
[    1.000000]     # plain: EXPECTATION FAILED at kunit/x.c:1
[    1.000000]     Expected rc == 0, but
[    1.000000]         rc == -22
[    1.000000]     not ok 1 plain""")
        self.assertRegex(ktap.read(failed).details["tce_one.plain"],
                         "plain: EXPECTATION FAILED at .*:1; Expected rc == 0, but; rc == -22$")

    def test_torn_line(self):
        self.assertTrue(self.good(
            KUNIT.replace("    ok 3 many", "  [    1.000001] tick\n  ok 3 many")))

    def test_skip_after_failure(self):
        """KUnit says that it was skipped then."""
        for line, case in (("[    1.000000]     ok 2 other", "other"),
                           ("[    1.000000]         ok 2 v2", "many")):
            failed = (f"[    1.000000]     # {case}: EXPECTATION FAILED at kunit/x.c:1\n"
                      "[    1.000000]     Expected rc == 0\n")
            self.assertEqual(len(ktap.read(KUNIT.replace(line, failed + line)).errors), 1, case)


class Log(unittest.TestCase):
    def judge(self, report, *more, around="firmware\nVM-START\n{}VM-END\n", host=None, code=0):
        """What is wrong with a log of which these cases have to be, and @more"""
        wanted = ["tce_one.plain", "tce_one.other", "tce_one.many", *more]
        return ktap.judge(around.format(report), wanted, host, code)[1]

    def test_judge(self):
        self.assertEqual(self.judge(KUNIT), [])
        self.assertEqual(self.judge(KUNIT, "tce_one.new"), ["no result of tce_one.new"])
        self.assertEqual(self.judge(KUNIT, code=console.SPLAT), ["the kernel complained"])
        self.assertEqual(self.judge(KUNIT.replace("ok 1 tce_one", "not ok 1 tce_one")),
                         ["not ok: tce_one"])
        for killed in (130, -15):
            self.assertEqual(self.judge(KUNIT, code=killed), [f"scripts/vm failed ({killed})"])
        # The kernel's log, which repeats what was said, counts for nothing.
        self.assertIn("there is no report", str(self.judge(KUNIT, around="VM-START\nVM-END\n{}")))

    def test_lost_memory(self):
        """Where the kernel has kmemleak, somebody has to have asked it."""
        report = KUNIT.replace("other # SKIP no such memory", "other")
        host = Host("kunit", "gcov-64k", "powernv9")
        self.assertEqual(self.judge(report, host=host), ["nobody has looked for lost memory"])
        around = "VM-START\n\nVM-START\n{}>> objects that kmemleak found: 0\nVM-END\n"
        self.assertEqual(self.judge(report, host=host, around=around), [])
