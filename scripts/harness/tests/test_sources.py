# SPDX-License-Identifier: GPL-2.0-only
"""What the sources list has to have a result."""
import re

from harness import ktap, sources
from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch


class Sources(Scratch):
    def test_all_are_found(self):
        """None of a table is missed, and each program with one is run."""
        found, ran = list(sources.tests()), set()
        for file in (ROOT / "selftests").glob("*.c"):
            entries = sum(table.count("{") for table in sources.TESTS.findall(file.read_text()))
            names = {test.split(": ")[-1] for test in found if test.startswith(f"{file.stem}: ")}
            self.assertEqual(len(names), entries, file.name)
            ran |= {file.stem} & {test.split(": ")[0] for test in found}
        script = (SCRIPTS / "guest/selftest.sh").read_text()
        listed = re.search(r'^PROGRAMS="(.*)"', script, re.M)[1].split()
        others = re.findall(r"^all (?:\$PROGRAMS )?(\w+)$", script, re.M)
        # the first is run by scripts/hostcheck
        self.assertEqual(ran - {"hostcheck"}, {*listed, *others})
        self.assertGreater(len(list(sources.cases())), 100)

    def test_missed(self):
        """One of a program that has run, by whichever user; those of another program are missed by
        the guest."""
        wanted = ["a: v1: x", "a: v2: x", "b: y"]
        for said, good in (("ok 1 a: v1: x\nok 2 user: a: v2: x", True),
                           ("ok 1 a: v1: x\nok 2 a: v1: x", False),
                           ("ok 1 a: v2: x # SKIP no\nok 2 user: a: v1: x", True)):
            log = self.file("x.log", f"\nVM-START\nKTAP version 1\n1..2\n{said}\nVM-END\n")
            self.assertEqual(ktap.judge(log, wanted)[1], [] if good else ["no result of a: v2: x"])
