# SPDX-License-Identifier: GPL-2.0-only
"""scripts/kunit: a good run, and what may be wrong with one."""
from harness.paths import SCRIPTS
from harness.tests import Scratch, load
from harness.tests.test_ktap import KUNIT
from harness.vm import console as vm

command = load(SCRIPTS / "kunit")


class Kunit(Scratch):
    wanted = ["tce_one.plain", "tce_one.other", "tce_one.many"]

    def judge(self, report, wanted=None, code=0, kernel="x",
              around="firmware\nVM-START\n{}VM-END\n"):
        log = self.file("kunit-x.log", around.format(report))
        return command.judge(log, code, wanted or self.wanted, kernel, "powernv9")[1]

    def test_judge(self):
        self.assertEqual(self.judge(KUNIT), [])
        self.assertEqual(self.judge(KUNIT, code=vm.SPLAT), ["the kernel complained"])
        self.assertTrue(self.judge(KUNIT, [*self.wanted, "tce_one.new"]))
        self.assertTrue(self.judge(KUNIT.replace("    ok 1 plain", "    not ok 1 plain")))
        self.assertTrue(self.judge(KUNIT.replace("    ok 3 many", "    ok 4 many")))

    def test_log(self):
        """The kernel's log, which repeats what was said, counts for nothing."""
        self.assertTrue(self.judge(KUNIT, around="VM-START\nVM-END\n{}"))

    def test_skip(self):
        """On a kernel of make check it has to be one that is written down, whatever else passes."""
        allowed = KUNIT.replace("SKIP no such memory", "SKIP the CPU's pages have 4K")
        self.assertEqual(self.judge(allowed, kernel="6.12-be"), [])
        self.assertEqual(self.judge(KUNIT, kernel="6.12-be"),
                         ["skipped, which data/skips does not allow on 6.12-be powernv9: "
                          "tce_one.other (no such memory)"])
        self.assertTrue(self.judge(allowed, kernel="6.12-64k"))

    def test_lost_memory(self):
        """Where the kernel has kmemleak somebody has to have asked it."""
        report = KUNIT.replace("other # SKIP no such memory", "other")
        said = ">> objects that kmemleak found: 0\n"
        self.assertEqual(self.judge(report, kernel="gcov-64k"),
                         ["nobody has looked for lost memory"])
        self.assertEqual(self.judge(report, kernel="gcov-64k",
                                    around="VM-START\n\nVM-START\n{}" + said + "VM-END\n"), [])
