# SPDX-License-Identifier: GPL-2.0-only
"""scripts/hostcheck: its options, and what it makes of a program's report."""
import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

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


def report(ktap, more=""):
    """The page and the JSON, by the functions that the script makes them with."""
    text = SCRIPT.read_text()
    functions = [re.search(rf"^{name}\(\) \{{\n.*?^\}}$", text, re.M | re.S)[0] for name in ("from_ktap", "report")]
    facts = "facts() { printf 'machine\\tIBM \"x\"\\nrows\\tonly *x*\\n'; }"
    with tempfile.TemporaryDirectory() as out:
        script = "\n".join([f"out={out}", *functions, facts, f"from_ktap '{more}' >$out/steps", "report"])
        subprocess.run(["sh", "-euc", script], input=ktap, text=True, check=True)
        return Path(out, "report.txt").read_text(), json.loads(Path(out, "report.json").read_text())


class Hostcheck(unittest.TestCase):
    def test_options(self):
        for wrong in ((), ("--bad", "x"), ("a", "b"), ("--rows",)):
            done = subprocess.run([SCRIPT, *wrong], stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr.startswith("hostcheck: ")), (2, True), wrong)

    def test_report(self):
        page, data = report(KTAP, ", again")
        self.assertEqual((data["machine"], data["verdict"]), ("IBM ?x?", "FAILED"))
        self.assertEqual([list(step.values()) for step in data["steps"]], [
            ["pass", "v1: what it does, again", '96 times MAP; a note with ?quotes? and a ?'],
            ["skip", "v2: x, again", "not here"],
            ["fail", "v2: y, again", "map.c:1: it is not so"]])
        for line in ("rows        only *x*", "skip  v2: x, again (not here)", "1 passed, 1 failed, 1 skipped: FAILED"):
            self.assertIn(f"\n{line}\n", page)

    def test_nothing(self):
        page, data = report("")
        self.assertIn("\n0 passed, 0 failed, 0 skipped: FAILED\n", page)
        self.assertEqual((data["verdict"], data["steps"]), ("FAILED", []))
