# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nightly/defects: what shows a defect, and what does not."""
import re
import unittest

from harness.paths import ROOT, SCRIPTS
from harness.tests import load
from harness.vm import console

defects = load(SCRIPTS / "nightly/defects")

ROW = "user: dma: v1: MAP past the end"


class Defects(unittest.TestCase):
    def test_evidence(self):
        note = "# dma.c:1: map(x) returned 0, not -EINVAL"
        warning = ("[    5.000000] WARNING: CPU: 0 PID: 57 at arch/powerpc/mm/init.c:1 "
                   "destroy_context+0x1/0x2")
        for lines, said in (((note, "not ok 1 " + ROW), note[2:]),
                            ((warning, "ok 1 " + ROW), warning[15:]), (("ok 1 " + ROW,), None),
                            (("ok 1 WARNING",), None), ((), None),
                            (("[    9.000000] rcu: INFO: rcu_sched self-detected stall",), None)):
            self.assertEqual(defects.evidence(defects.PAST + "|" + defects.CRASH, "\n".join(lines)),
                             said)

    def test_ours(self):
        def wrong(result, code=console.PASS, plan=1):
            return defects.wrong_rows([ROW], code, f"KTAP version 1\n1..{plan}\n{result} 1 {ROW}\n")
        self.assertEqual(wrong("ok"), {})
        self.assertEqual(wrong("not ok"), {ROW: "FAIL"})
        self.assertEqual(set(wrong("ok", code=console.SPLAT)), {""})
        self.assertEqual(set(wrong("ok", plan=2)), {""})
        self.assertEqual(defects.wrong_rows(
            [ROW], console.PASS, f"KTAP version 1\n1..1\nok 1 {ROW} # SKIP no\n"), {ROW: "skip"})
        self.assertEqual(set(defects.wrong_rows([ROW], console.PASS, "")), {ROW, ""})

    def test_page(self):
        """Each name of the page has a test here, or names a KUnit case; and each test is there."""
        page = (ROOT / "Documentation/security.rst").read_text()
        described = dict(re.findall(r"^   \* - ``([a-z0-9-]+)``\n(.*?)(?=^   \* -|^\S)", page,
                                    re.M | re.S))
        self.assertGreater(len(described), 25)
        rows = {row[0] for row in defects.ROWS}
        self.assertLessEqual(rows, set(described))
        for name in set(described) - rows:
            self.assertRegex(described[name], r"\bKUnit ``tce_|tests? ``", name)
        sources = "".join(path.read_text() for path in (ROOT / "selftests").rglob("*.c"))
        for _, host, words, row in defects.ROWS:
            self.assertIn(host, defects.HOSTS)
            re.compile(words)
            self.assertIn(f'"{row.split(": ")[-1]}"', sources)
