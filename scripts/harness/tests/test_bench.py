# SPDX-License-Identifier: GPL-2.0-only
"""scripts/bench: a figure that is bad, or missing, misses a goal."""
import unittest

from harness.paths import SCRIPTS
from harness.tests import load

bench = load(SCRIPTS / "bench")


class Figures(dict):
    """1 of all that is asked for, 1,000 of the in-tree driver, but for what is given"""

    def __init__(self, **ours):
        super().__init__({("ours", what): value for what, value in ours.items()})
        self.asked = set()

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, {"ours": 1.0, "intree": 1000.0}[key[0]])


class Bench(unittest.TestCase):
    def goals(self, found, host=bench.HOSTS[0]):
        """Is each met?"""
        return [line.met for line in bench.lines(found, *host) if line.goal]

    def test_goals(self):
        for host, count in zip(bench.HOSTS, (54, 71, 36)):
            found = Figures()
            self.assertEqual(self.goals(found, host), [True] * count, host)
            self.assertEqual(self.goals({}, host), [False] * count, host)
            ours = {what for driver, what in found.asked if driver == "ours"}
            for what in ours:
                # of a goal that compares two figures of ours one may not be small
                for some in ((1e-6, 5e3), (None,)):
                    self.assertIn(False, sum((self.goals(Figures(**{what: value}), host)
                                              for value in some), []), what)
