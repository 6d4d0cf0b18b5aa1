# SPDX-License-Identifier: GPL-2.0-only
"""scripts/defects: what shows a defect, and what does not."""
import unittest

from tce.defects import catalogue, command, evidence, machines
from tce.vm import console as vm


class Defects(unittest.TestCase):
    row = "dma: v1: MAP past the end"
    show = catalogue.Show("powernv", [row], r"map\(.* returned 0, not -EINVAL|WARNING", alone=True)

    def log(self, *lines):
        return "firmware\nVM-START\nKTAP version 1\n1..1\n" + "".join(f"{line}\n" for line in lines)

    def evidence(self, *lines, code=vm.FAIL, **more):
        show = catalogue.Show(**{**vars(self.show), **more})
        return evidence.evidence(show, evidence.Run(code, self.log(*lines)))

    note = "# dma.c:1: map(x) returned 0, not -EINVAL"
    failed, good = "not ok 1 user: " + row, "ok 1 user: " + row
    warning = "[    5.000000] WARNING: CPU: 0 PID: 57 at arch/powerpc/mm/init.c:1 destroy_context+0x1/0x2"

    def test_evidence(self):
        self.assertTrue(self.evidence(self.note, self.failed))
        self.assertTrue(self.evidence(self.warning, self.good, code=vm.SPLAT))
        self.assertFalse(self.evidence(self.warning, self.good, code=vm.SPLAT, alone=False))
        self.assertFalse(self.evidence(self.note, self.good, code=vm.PASS))
        self.assertFalse(self.evidence("# dma.c:1: something else", self.failed))
        self.assertFalse(self.evidence(self.note, self.failed.replace("past", "before")))
        self.assertFalse(self.evidence())

    def test_slow_machine_is_no_evidence(self):
        crash = catalogue.CRASH + "|blocked for more than|hung|stall"
        for lines in ((), (self.note,), ("# ended by signal 14 (Alarm clock)", self.failed),
                      ("[    9.000000] rcu: INFO: rcu_sched self-detected stall on CPU",),
                      ("[    9.000000] INFO: task abi:61 blocked for more than 60 seconds.",)):
            self.assertFalse(self.evidence(*lines, code=vm.TIMEOUT, evidence=crash), lines)

    def test_hang(self):
        said = r"nobody goes on|blocked for more than"
        watchdog = "# groups.c:1: nobody goes on after 60 s"
        for line in (watchdog, "[    9.000000] INFO: task abi:61 blocked for more than 60 seconds."):
            self.assertTrue(self.evidence(line, code=vm.TIMEOUT, evidence=said, hang=True), line)
        self.assertFalse(self.evidence(watchdog, code=vm.TIMEOUT, evidence=said))
        self.assertFalse(self.evidence(code=vm.TIMEOUT, evidence=said, hang=True))

    def verdict(self, defect, ours=(), states=None, seen="seen"):
        found = {id(show): (seen, "x.log") for show in defect.shows}
        run = evidence.Run(vm.PASS, self.log(*ours))
        wrong, skipped = command.verdict(defect, found, {"powernv": run}, {"a.b", "a.c"}, states or {})[2:]
        bad, left = [[(defect.letter, text) for text in texts] for texts in (wrong, skipped)]
        return command.tally([defect], bad, left)

    def test_verdict(self):
        shown = catalogue.Defect("A", "x", "y", "z", [self.show])
        for expected, how in (((1, 0, 0), {"ours": [self.good]}), ((0, 1, 0), {"ours": [self.failed]}),
                              ((0, 1, 0), {"ours": []}), ((0, 0, 1), {"ours": [self.good + " # SKIP no"]}),
                              ((0, 1, 0), {"ours": [self.good], "seen": None})):
            self.assertEqual(self.verdict(shown, **how),
                             ">> defects: {} passed, {} failed, {} skipped".format(*expected), how)

    def test_kunit(self):
        unshown = catalogue.Defect("A", "x", "y", "z", kunit=["a.b", "a.c"], why_not="x")
        for expected, states in (((1, 0, 0), {"a.b": "pass", "a.c": "pass"}), ((0, 1, 0), {}),
                                 ((0, 1, 0), {"a.b": "pass"}), ((0, 1, 0), {"a.b": "FAIL", "a.c": "skip"}),
                                 ((0, 0, 1), {"a.b": "pass", "a.c": "skip"})):
            self.assertEqual(self.verdict(unshown, states=states),
                             ">> defects: {} passed, {} failed, {} skipped".format(*expected), states)
        nothing = catalogue.Defect("A", "x", "y", "z")
        self.assertIn("0 passed, 1 failed", self.verdict(nothing))
        gone = catalogue.Defect("A", "x", "y", "z", kunit=["a.d"])
        self.assertIn("0 passed, 1 failed", self.verdict(gone, states={"a.d": "pass"}))

    def test_kunit_states(self):
        self.assertEqual(machines.kunit_states({"a": {"b": ["PASS", "SKIP"], "c": ["SKIP"], "d": ["PASS", "FAIL"], "e": []}}),
                         {"a.b": "pass", "a.c": "skip", "a.d": "FAIL"})
        self.assertEqual([machines.kunit_filter(set(c)) for c in (["a.b"], ["a.b", "a.c"], ["a.b", "c.d"])],
                         ["a.b", "a.*", "*"])

    def test_all_is_run(self):
        """Each letter has rows or cases, and what it has is asked for."""
        for defect in catalogue.DEFECTS:
            jobs = machines.Jobs([defect], 1)
            self.assertTrue(jobs.shows or jobs.cases == set(defect.kunit) and jobs.cases, defect.letter)

