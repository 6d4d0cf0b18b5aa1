# SPDX-License-Identifier: GPL-2.0-only
"""scripts/races: rows, KCSAN's reports, clients that died."""
import io
import unittest
from contextlib import redirect_stdout

from tce.paths import SCRIPTS
from tce.vm import console as vm
from tests import load
from tests.data_race import RACE

races = load(SCRIPTS / "races")


class Races(unittest.TestCase):
    race = RACE.replace("_kunit]", "]")
    head = "firmware\nVM-START\nKTAP version 1\n1..2\n"
    good = head + "ok 1 races: a\nok 2 races: b\n>> kcsan: setup_watchpoints: 20000\nVM-END\nVM-VERDICT: 0\n"

    def judge(self, text, code=vm.PASS, rule=races.judge_rows):
        with redirect_stdout(io.StringIO()):
            return races.verdict([rule(code, text)])

    def test_rows(self):
        self.assertEqual(self.judge(self.good), (">> races: 2 passed, 0 failed, 0 skipped", 0))
        skipped = self.good.replace("races: b", "races: b # SKIP no device")
        self.assertEqual(self.judge(skipped), (">> races: 1 passed, 0 failed, 1 skipped", 0))
        for text, code in ((skipped.replace("races: a", "races: a # SKIP x"), vm.PASS),
                           (self.good.replace("ok 2", "not ok 2"), vm.FAIL), (self.head + "ok 1 races: a\n", vm.PASS),
                           ("", vm.PASS), (self.good, vm.SPLAT), (self.good, vm.TIMEOUT), (self.good, vm.FAIL)):
            self.assertEqual(self.judge(text, code)[1], 1, (text, code))

    def test_kcsan(self):
        def judge(text, code=vm.SPLAT):
            return self.judge(text, code, races.judge_kcsan)[1]
        self.assertEqual(judge(self.good, vm.PASS), 0)
        self.assertEqual(judge(self.good.replace("VM-END", self.race + "VM-END")), 0)
        # whose the access is, and what called it, is judged as scripts/kunit does it
        for ours in ("rcu_a+0x54/0x178", "__cond_resched+0x2c/0x80"):
            text = self.good.replace("VM-END", self.race.replace(ours, "tce_x+0x54/0x178 [vfio_iommu_spapr_tce]") + "VM-END")
            self.assertEqual(judge(text), 1, ours)
        raced = self.good.replace("VM-END", self.race + "VM-END")
        self.assertEqual(judge(raced.replace("VM-VERDICT: 0", "VM-VERDICT: 1")), 1)
        self.assertEqual(judge(raced.replace("VM-VERDICT: 0\n", "")), 1)
        self.assertEqual(judge(raced.replace("VM-END", "WARNING: CPU: 0 PID: 1\nVM-END")), 1)
        self.assertEqual(judge(self.good.replace("20000", "200"), vm.PASS), 1)
        self.assertEqual(judge(self.good.replace(">> kcsan", ">> other"), vm.PASS), 1)

    def test_deaths(self):
        text = "".join(f"50 clients killed, seed {n}, after 900 commands: nothing left\n" for n in range(4)) + ">> done\n"
        self.assertEqual(self.judge(text, rule=races.judge_deaths)[1], 0)
        for less in (text.replace("seed 2", "seed x"), text.replace(">> done", "done"), ""):
            self.assertEqual(self.judge(less, rule=races.judge_deaths)[1], 1, less)
        self.assertEqual(self.judge(text, vm.FAIL, races.judge_deaths)[1], 1)
