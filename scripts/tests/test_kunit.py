# SPDX-License-Identifier: GPL-2.0-only
"""scripts/kunit: a good report, and what may be wrong with one."""
import io
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

from tce import ktap
from tce.paths import SCRIPTS
from tce.vm import console as vm
from tests import load
from tests.data_race import RACE

command = load(SCRIPTS / "kunit")
judge = command.judge


class Kunit(unittest.TestCase):
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
    wanted = ["tce_one.plain", "tce_one.other", "tce_one.many"]

    def judge(self, report, wanted=None, code=0, pins=""):
        with tempfile.TemporaryDirectory() as tmp:
            log, skips = Path(tmp) / "kunit-x.log", Path(tmp) / "skips"
            log.write_text("firmware\n" + report)
            skips.write_text(pins)
            with patch("tce.skips.FILE", skips):
                return judge(log, code, wanted or self.wanted)[0]

    def compare(self, *states, everywhere=True):
        runs = []
        for run in states:
            reader = ktap.Reader()
            reader.results = {f"tce_one.many: {n}": state for n, state in enumerate(run)}
            runs.append(command.Run("kernel", "machine", [], reader, 0, Path()))
        return command.compare(runs, ["tce_one.many"], everywhere)

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
        self.assertTrue(self.judge(self.report, [*self.wanted, "tce_one.new"]))

    def test_missing_line(self):
        for line in ("[    1.0]     ok 1 plain\n", "[    1.0]     ok 2 other # SKIP no such memory\n",
                     "[    1.0]     ok 3 many\n", "[    1.0] ok 1 tce_one\n", "[    1.0]         ok 1 v1\n"):
            self.assertTrue(self.judge(self.without(line)), line)

    def test_firmware_speaks_into_a_line(self):
        torn = self.report.replace("    ok 3 many", "  [ 1827.356033926,4] Spent 1678 msecs in OPAL call 1!\n  ok 3 many")
        self.assertEqual(self.judge(torn), [])

    def test_machine_without_a_report(self):
        """What is known of it is shown, and the cases it lacks take one line."""
        wrong = self.judge("[    1.0] the last line\n", [f"tce_one.{n}" for n in range(200)], code=vm.QEMU_ERROR)
        self.assertEqual(len([w for w in wrong if "no result of" in w]), 1)
        self.assertIn("QEMU failed", wrong)
        with tempfile.TemporaryDirectory() as tmp, redirect_stdout(io.StringIO()) as out:
            log = Path(tmp) / "kunit-x.log"
            log.write_text("the last line\n")
            command.tell(log, "!! the last line\n>> vm: QEMU failed\n")
        self.assertEqual(out.getvalue(), "!! the last line\n>> vm: QEMU failed\n")

    def test_failed(self):
        self.assertTrue(self.judge(self.report.replace("    ok 1 plain", "    not ok 1 plain")))
        self.assertTrue(self.judge(self.report.replace("    ok 2 v2", "    not ok 2 v2")))

    def test_skip_after_failure(self):
        """KUnit says that it was skipped then."""
        failed = "[    1.0]     # other: EXPECTATION FAILED at kunit/x.c:1\n[    1.0]     Expected rc == 0\n"
        skip = "[    1.0]     ok 2 other # SKIP no such memory\n"
        self.assertEqual(len(self.judge(self.report.replace(skip, failed + skip))), 1)
        last = "[    1.0]         ok 2 v2"
        failed = failed.replace("     # other", "         # many")
        self.assertEqual(len(self.judge(self.report.replace(last, failed + last))), 1)

    def test_missing_parameter(self):
        self.assertTrue(self.judge(self.without("[    1.0]         ok 2 v2\n")))
        self.assertTrue(self.judge(self.without("[    1.0]     # many: pass:2 fail:0 skip:0 total:2\n")))

    def test_skips_are_pinned(self):
        pins = "kunit-x\n\n  1  no such memory\n"
        self.assertEqual(self.judge(self.report, pins=pins), [])
        self.assertTrue(self.judge(self.report.replace("such", "other"), pins=pins))
        self.assertTrue(self.judge(self.report.replace(" # SKIP no such memory", ""), pins=pins))
        self.assertTrue(self.judge(self.report.replace("ok 1 v1", "ok 1 v1 # SKIP no such memory"), pins=pins))

    def test_compare(self):
        self.assertEqual(self.compare(["skip", "skip"], ["skip", "pass"]), [])
        self.assertTrue(self.compare(["skip"], ["skip"]))
        self.assertEqual(self.compare(["skip"], everywhere=False), [])
        self.assertTrue(self.compare(["pass"], ["pass", "pass"]))

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
