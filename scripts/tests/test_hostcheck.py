# SPDX-License-Identifier: GPL-2.0-only
"""scripts/hostcheck: its options, and what it makes of a program's report."""
import json
import re
import subprocess
import unittest

from tce.paths import SCRIPTS

SCRIPT = SCRIPTS / "hostcheck"
KTAP = """KTAP version 1
1..3
# 96 times MAP
# a note with "quotes" and a \\
ok 1 hostcheck: v1: what it does
ok 2 hostcheck: v2: x # SKIP not here
# map.c:1: it is not so
not ok 3 hostcheck: v2: y
"""


def shell(*commands):
    """Run by the functions that the script makes reports with."""
    text = SCRIPT.read_text()
    functions = [re.search(rf"^{name}\(\) \{{\n.*?^\}}$", text, re.M | re.S)[0] for name in ("from_ktap", "report")]
    facts = "facts() { printf 'machine\\tIBM \"x\"\\nrows\\tonly *x*\\n'; }"
    script = "\n".join(["steps=/dev/stdin tab='\t'", *functions, facts, *commands])
    return subprocess.run(["sh", "-euc", script], input=KTAP, text=True, check=True, stdout=subprocess.PIPE).stdout


class Hostcheck(unittest.TestCase):
    def test_options(self):
        for wrong in ((), ("--bad", "x"), ("a", "b"), ("--rows",)):
            done = subprocess.run([SCRIPT, *wrong], stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr.startswith("hostcheck: ")), (2, True), wrong)

    def test_json(self):
        report = json.loads(shell("from_ktap ', again' | report json"))
        self.assertEqual((report["machine"], report["verdict"]), ("IBM ?x?", "FAILED"))
        self.assertEqual([list(step.values()) for step in report["steps"]], [
            ["pass", "v1: what it does, again", '96 times MAP; a note with ?quotes? and a ?'],
            ["skip", "v2: x, again", "not here"],
            ["fail", "v2: y, again", "map.c:1: it is not so"]])

    def test_text(self):
        text = shell("from_ktap '' | report text")
        for line in ("rows        only *x*", "skip  v2: x (not here)", "1 passed, 1 failed, 1 skipped: FAILED"):
            self.assertIn(f"\n{line}\n", text)

    def test_nothing(self):
        self.assertIn("\n0 passed, 0 failed, 0 skipped: FAILED\n", shell("from_ktap '' </dev/null | report text"))
