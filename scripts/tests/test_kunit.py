# SPDX-License-Identifier: GPL-2.0-only
"""scripts/kunit: a good report, and what may be wrong with one; kunit.py is the kernel's own."""
import io
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path

from tce.cli import path_from
from tce.kunit import cases, command
from tce.kunit.report import judge
from tce.paths import DATA
from tce.vm import console as vm
from tests.data_race import RACE


class Kunit(unittest.TestCase):
    """A good report, and what may be wrong with one; kunit.py is the kernel's own."""

    report = """VM-START
[    1.0] KTAP version 1
[    1.0] 1..1
[    1.0]     KTAP version 1
[    1.0]     # Subtest: tce_one
[    1.0]     1..3
[    1.0]     ok 1 plain
[    1.0]     ok 2 other # SKIP no such memory
[    1.0]         KTAP version 1
[    1.0]         # Subtest: many
[    1.0]         ok 1 v1
[    1.0]         ok 2 v2
[    1.0]     # many: pass:2 fail:0 skip:0 total:2
[    1.0]     ok 3 many
[    1.0] # tce_one: pass:2 fail:0 skip:1 total:3
[    1.0] ok 1 tce_one
VM-END
"""
    wanted = {"tce_one": ["plain", "other", "many"]}

    @classmethod
    def setUpClass(cls):
        cls.source = path_from("build-kernel", "--source", "6.12-be")

    def judge(self, report, wanted=None, code=0, allowed=()):
        with tempfile.TemporaryDirectory() as tmp:
            log = Path(tmp) / "x.log"
            log.write_text("firmware\n" + report)
            return judge(log, code, self.source, wanted or self.wanted, dict(allowed or {"tce_one.other": "why"}))[0]

    def run_of(self, states):
        return command.Run([], {"tce_one": {"many": states}}, 0, Path())

    def without(self, line):
        self.assertIn(line, self.report)
        return self.report.replace(line, "")

    def test_pass(self):
        self.assertEqual(self.judge(self.report), [])

    def test_built_in(self):
        """Such suites run before the guest's script, which says so."""
        lines = self.report.splitlines(True)
        first = "".join([*lines[1:-1], lines[0]])
        self.assertEqual(self.judge(f"{first}>> the suites are built in, and have run\nVM-END\n"), [])
        self.assertTrue(self.judge(f"{first}VM-END\n"))

    def test_fewer_cases_than_listed(self):
        self.assertTrue(self.judge(self.report, {"tce_one": ["plain", "other", "many", "new"]}))
        self.assertTrue(self.judge(self.report, {**self.wanted, "tce_two": ["case"]}))

    def test_missing_line(self):
        for line in ("[    1.0]     ok 1 plain\n", "[    1.0]     ok 2 other # SKIP no such memory\n",
                     "[    1.0]     ok 3 many\n", "[    1.0] ok 1 tce_one\n", "[    1.0]         ok 1 v1\n"):
            self.assertTrue(self.judge(self.without(line)), line)

    def test_cut_off(self):
        self.assertTrue(self.judge(self.report[:self.report.index("[    1.0]     ok 3")]))
        self.assertTrue(self.judge(""))

    def test_firmware_speaks_into_a_line(self):
        torn = self.report.replace("    ok 3 many", "  [ 1827.356033926,4] Spent 1678 msecs in OPAL call 1!\n  ok 3 many")
        self.assertEqual(self.judge(torn), [])

    def test_failed(self):
        self.assertTrue(self.judge(self.report.replace("    ok 1 plain", "    not ok 1 plain")))
        self.assertTrue(self.judge(self.report.replace("    ok 2 v2", "    not ok 2 v2")))

    def test_only_skipped(self):
        self.assertTrue(self.judge(self.report.replace("ok 1 plain", "ok 1 plain # SKIP x")
                                   .replace("ok 1 v1", "ok 1 v1 # SKIP x").replace("ok 2 v2", "ok 2 v2 # SKIP x")))

    def test_case_is_skipped(self):
        self.assertTrue(self.judge(self.report, allowed={"tce_one.none": "why"}))
        many = self.report.replace("ok 1 v1", "ok 1 v1 # SKIP x")
        self.assertEqual(self.judge(many), [])
        # all parameters of a case, which kunit.py takes for a pass
        many = many.replace("ok 2 v2", "ok 2 v2 # SKIP x").replace("    ok 3 many", "    ok 3 many # SKIP x")
        self.assertTrue(self.judge(many))
        self.assertEqual(self.judge(many, allowed={"tce_one.other": "why", "tce_one.many": "why"}), [])

    def test_listed_case_runs(self):
        self.assertTrue(self.judge(self.report, allowed={"tce_one.other": "why", "tce_one.plain": "why"}))

    def test_allowed_skips(self):
        text = "# x\na.b 4k-pages: c\na.d hash pseries: e\na.f !kvm: g\n"
        self.assertEqual(cases.allowed_skips("6.12-be", "powernv9", text), {"a.b": "c", "a.f": "g"})
        self.assertEqual(cases.allowed_skips("6.12-be", "pseries", text), {"a.b": "c", "a.d": "e", "a.f": "g"})
        self.assertEqual(cases.allowed_skips("kvm-6.12-4k", "pseries", text), {"a.b": "c"})
        self.assertEqual(cases.allowed_skips("kvm-6.12-4k", "pseries", text, more=("hash",)), {"a.b": "c", "a.d": "e"})
        for wrong in ("a.b: c", "a.b nowhere: c", "a 4k-pages: c"):
            with self.assertRaises(SystemExit), redirect_stderr(io.StringIO()):
                cases.allowed_skips("6.12-be", "powernv9", wrong)

    def test_listed_cases_exist(self):
        listed = [line.split()[0] for line in (DATA / "kunit.skips").read_text().splitlines()
                  if line and not line.startswith("#")]
        self.assertEqual(set(listed) - cases.names(), set())

    def test_passes_nowhere(self):
        runs = {n: self.run_of(states) for n, states in enumerate((["SKIP"], ["SKIP", "PASS"]))}
        self.assertEqual(command.passed_nowhere(runs, {"tce_one": ["many"]}), [])
        del runs[1]
        self.assertEqual(command.passed_nowhere(runs, {"tce_one": ["many"]}), ["tce_one.many"])

    def test_splat(self):
        self.assertTrue(self.judge(self.report, code=vm.SPLAT))

    race = RACE

    def test_data_races(self):
        verdict = "VM-VERDICT: 0\n"
        self.assertEqual(self.judge(self.report + self.race + verdict, code=vm.SPLAT), [])
        self.assertTrue(self.judge(self.report + self.race, code=vm.SPLAT))
        self.assertTrue(self.judge(self.report + self.race + "WARNING: CPU: 0 PID: 1\n" + verdict, code=vm.SPLAT))
        for ours in ("rcu_a+0x54/0x178", "__cond_resched+0x2c/0x80"):
            race = self.race.replace(ours, "tce_x+0x54/0x178 [vfio_iommu_spapr_tce_kunit]")
            self.assertTrue(self.judge(self.report + race + verdict, code=vm.SPLAT), ours)
        self.assertTrue(self.judge(self.report + "BUG: KCSAN: assert: race in x\n" + verdict, code=vm.SPLAT))

    def test_parameters(self):
        runs = {n: self.run_of(["PASS"] * n) for n in (1, 2)}
        command.same_parameters(runs, {"tce_one": ["many"]})
        self.assertTrue(runs[1].wrong)
        self.assertFalse(runs[2].wrong)

