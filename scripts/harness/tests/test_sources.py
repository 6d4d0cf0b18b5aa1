# SPDX-License-Identifier: GPL-2.0-only
"""What the sources list has to have a result."""
import fnmatch
import re
import unittest
from unittest.mock import patch

from harness import ktap, sources, steps
from harness.paths import ROOT, SCRIPTS


class Sources(unittest.TestCase):
    def test_all_are_found(self):
        """None of a table is missed, and each program is run, but for those that are no tests."""
        found, ran = list(sources.tests(repeats=True)), set()
        for file in (ROOT / "selftests").glob("*.c"):
            entries = sum(table.count("{") for table in sources.TESTS.findall(file.read_text()))
            names = {test.split(": ")[-1] for test in found if test.startswith(f"{file.stem}: ")}
            self.assertEqual(len(names), entries, file.name)
            ran |= {file.stem} & {test.split(": ")[0] for test in found}
        script = (SCRIPTS / "guest/selftest.sh").read_text()
        listed = re.search(r'^PROGRAMS="(.*)"', script, re.M)[1].split()
        # of the others faults comes last, and hostcheck is run by scripts/hostcheck
        self.assertEqual(ran - {"hostcheck", "faults"}, {*listed})
        # make demo, bench, and scripts/system and scripts/fuzz run the others
        self.assertEqual({file.stem for file in (ROOT / "selftests").glob("*.c")} - ran,
                         {"bench", "demo", "fuzz", "hold"})
        self.assertGreater(len(list(sources.cases())), 50)

    def test_missed(self):
        """Each of a program that was started and that was asked for, by whichever user"""
        listed = ["a: v1: x", "a: v2: x", "a: y", "b: z"]
        for said, glob, missed in (
                ("ok 1 a: v1: x\nok 2 user: a: v2: x", "*", ["a: y"]),
                ("ok 1 a: v1: x\nok 2 user: a: v2: x", "b: *|a: v?: x", []),
                ("ok 1 a: v2: x\nok 2 user: a: v2: x", "a: v*", ["a: v1: x"]),
                ("ok 1 a: v2: x # SKIP no\nok 2 a: v1: x", "a: v*", [])):
            text = ("\nVM-START\n>> running a\nKTAP version 1\n1..2\n"
                    f"{said}\nVM-END\n>> running b --uid 1\n")
            with patch.object(sources, "tests", lambda: listed):
                wanted = ktap.wanted_of(text, glob)
            self.assertEqual(ktap.judge(text, wanted)[1],
                             [f"no result of {test}" for test in missed])
        for name, command, _ in (*steps.machines(), *steps.runs()):
            globs = dict(zip(command, command[1:])).get("--test", "*").split("|")
            for glob in globs if command[0] == "selftest" else ():
                self.assertTrue(fnmatch.filter(sources.tests(), glob), (name, glob))
