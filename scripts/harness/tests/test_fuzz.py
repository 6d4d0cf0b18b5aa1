# SPDX-License-Identifier: GPL-2.0-only
"""The fuzzer's generator comes to each rule of its model, on machines of each kind."""
import re

from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch, printed

ROUNDS = 80
# A run of six rounds misses a rule that comes in 60 % of them less than once in 200 times.
LEAST = 0.6


class Fuzz(Scratch):
    def test_rules(self):
        """Each rule is what alone refuses an operation, in most rounds."""
        selftests, program = ROOT / "selftests", self.top / "fuzz_rules"
        printed("gcc", "-O2", "-std=gnu11", "-pthread", "-D__SANE_USERSPACE_TYPES__",
                f"-I{selftests}", f"-I{selftests}/lib", SCRIPTS / "harness/tests/fuzz_rules.c",
                *(selftests / f"fuzz/{part}.c" for part in ("apply", "gen", "model", "predict")),
                *(selftests / f"lib/{part}.c" for part in ("host", "mem", "result", "vfio")),
                "-o", program)
        for kib, platform, sizes in ((4, "powernv", 0x40211000), (64, "powernv", 0x40211000),
                                     (4, "pseries", 0x211000), (64, "pseries", 0x211000)):
            said = printed(program, str(ROUNDS), str(kib), platform, hex(sizes))
            rules = re.findall(r"^(\d+) rounds, \d+ times: (.*)$", said, re.M)
            self.assertGreater(len(rules), 45)
            self.assertIn("MAP of v2: the window's pages are larger than the memory's",
                          [rule for _, rule in rules])
            self.assertGreater(int(re.search(r"^(\d+) MAPs$", said, re.M)[1]), 1000 * ROUNDS)
            self.assertEqual([rule for rounds, rule in rules if int(rounds) < LEAST * ROUNDS], [],
                             f"{kib}K {platform}")
