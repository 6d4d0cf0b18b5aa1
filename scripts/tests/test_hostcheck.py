# SPDX-License-Identifier: GPL-2.0-only
"""scripts/hostcheck: its options, and what it makes of a program's report."""
import json
import re
import subprocess
import unittest

from tce.paths import SCRIPTS

SCRIPT = SCRIPTS / "hostcheck"
REPORT = """KTAP version 1
1..3
# figure: MAP: 96 calls
# a note with "quotes" and a \\
ok 1 hostcheck: v1: what it does
ok 2 hostcheck: v2: x # SKIP not here
# map.c:1: it is not so
not ok 3 hostcheck: v2: y
"""


def functions(*names):
    """Their text."""
    text = SCRIPT.read_text()
    return "\n".join(re.search(rf"^{name}\(\) \{{\n.*?^\}}$", text, re.M | re.S)[0] for name in names)


def shell(script, text=""):
    return subprocess.run(["sh", "-euc", script], input=text, text=True, check=True, stdout=subprocess.PIPE).stdout


class Hostcheck(unittest.TestCase):
    def test_options(self):
        for wrong in ((), ("--bad", "x"), ("a", "b"), ("--minutes",), *(("--minutes", n, "x") for n in ("0", "08", "-1", "x", "1000"))):
            done = subprocess.run([SCRIPT, *wrong], stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr.startswith("hostcheck: ")), (2, True), wrong)

    def test_report(self):
        steps = shell(functions("from_ktap") + "\nfrom_ktap ours ', turn 1'", REPORT)
        self.assertEqual([line.split("\t") for line in steps.splitlines()], [
            ["pass", "ours", "v1: what it does, turn 1", 'figure: MAP: 96 calls; a note with "quotes" and a \\'],
            ["skip", "ours", "v2: x, turn 1", "not here"],
            ["fail", "ours", "v2: y, turn 1", "map.c:1: it is not so"]])

    def test_json(self):
        facts = "facts() { printf 'machine\\tIBM \"x\"\\n'; }\n"
        steps = shell(functions("from_ktap") + "\nfrom_ktap ours ''", REPORT)
        text = shell(facts + functions("json") + "\nfailed=1 steps=/dev/stdin; json", steps)
        report = json.loads(text)
        self.assertEqual((report["machine"], report["verdict"]), ('IBM "x"', "fail"))
        self.assertEqual([s["verdict"] for s in report["steps"]], ["pass", "skip", "fail"])
        self.assertEqual(report["steps"][0]["note"][-22:], 'note with "quotes" and a \\'[-22:])

    def test_complaints(self):
        for log, count in (("", 0), ("WARNING: CPU: 1\nquiet\n", 1), ("M: in-tree\nBUG: x\nM: ours\n", 0),
                           ("M: in-tree\nBUG: x\nM: ours\nOops: y\nUnable to handle z\n", 2)):
            self.assertEqual(shell("mark=M\n" + functions("count_complaints") + "\ncount_complaints", log), f"{count}\n")

    def test_page(self):
        steps = ("pass\tours\tv1: x\tseed 5; figure: MAP: 9 calls\nfail\tours\tv1: y\tmap.c:1: no\n"
                 "pass\tintree\tv1: x\tfigure: MAP: 8 calls\nskip\tintree\tv1: y\tnot here\n")
        text = shell("facts() { printf 'rows\\tonly *x*\\n'; }\ncount() { echo 1; }\n" + functions("page") +
                     "\nboth=1 verdict=FAILED steps=/dev/stdin; page", steps)
        self.assertIn("\nrows        only *x*\n", text)
        self.assertIn("\npass  pass     v1: x (MAP: 9 calls)\n", text)
        self.assertIn("\nfail  skip     v1: y (map.c:1: no)\n", text)
