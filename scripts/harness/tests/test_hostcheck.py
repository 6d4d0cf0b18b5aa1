# SPDX-License-Identifier: GPL-2.0-only
"""scripts/hostcheck: its options, and what it makes of a program's report."""
import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness.paths import SCRIPTS

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


def run(commands, **how):
    """What these print that use functions of the script."""
    functions = re.findall(r"^(?:nodes|steps_of_ktap|report)\(\) \{\n.*?^\}$", SCRIPT.read_text(),
                           re.M | re.S)
    return subprocess.run(["sh", "-euc", "\n".join([*functions, *commands])], text=True, check=True,
                          stdout=subprocess.PIPE, **how).stdout


def report(ktap):
    """The page and the JSON."""
    facts = "facts() { printf 'machine\\tIBM \"x\"\\ntests\\tonly *x*\\n'; }"
    with tempfile.TemporaryDirectory() as out:
        run([f"out={out}", facts, "steps_of_ktap >$out/steps", "report"], input=ktap)
        return Path(out, "report.txt").read_text(), json.loads(Path(out, "report.json").read_text())


class Hostcheck(unittest.TestCase):
    def test_options(self):
        for wrong in ((), ("--bad", "x"), ("a", "b"), ("--tests",)):
            done = subprocess.run([SCRIPT, *wrong], stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr.startswith("hostcheck: ")), (2, True),
                             wrong)

    def test_nodes(self):
        with tempfile.TemporaryDirectory() as path:
            for name in ("nvme/nvme1/nvme0c1n1", "nvme/nvme1/nvme12n1", "nvme/nvme1/hwmon0",
                         "net/eth0"):
                Path(path, name).mkdir(parents=True)
            self.assertEqual(run([f"path={path}", "nodes"]).split(),
                             ["nvme0n1", "nvme12n1", "eth0"])

    def test_report(self):
        page, data = report(KTAP)
        self.assertEqual((data["machine"], data["verdict"]), ("IBM ?x?", "FAILED"))
        self.assertEqual([list(step.values()) for step in data["steps"]], [
            ["pass", "v1: what it does", '96 times MAP; a note with ?quotes? and a ?'],
            ["skip", "v2: x", "not here"],
            ["fail", "v2: y", "map.c:1: it is not so"]])
        for line in ("tests       only *x*", "skip  v2: x (not here)",
                     "1 passed, 1 failed, 1 skipped: FAILED"):
            self.assertIn(f"\n{line}\n", page)

    def test_nothing(self):
        for ktap in ("", "1..0 # SKIP no such rows\n", "1..1\nok 1 x # SKIP y\n",
                     KTAP.replace("1..3", "1..4")):
            self.assertEqual(report(ktap)[1]["steps"][-1]["step"], "the tests were run", ktap)
