# SPDX-License-Identifier: GPL-2.0-only
"""scripts/bench: a figure that is bad, or missing, misses a goal."""
import contextlib
import io
import re
import unittest
from unittest.mock import patch

from harness.paths import SCRIPTS
from harness.tests import load

bench = load(SCRIPTS / "bench")
UNMAP = "v2 UNMAP of a page with many regions"


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
        for host, count in zip(bench.HOSTS, (60, 73, 36)):
            found = Figures()
            self.assertEqual(self.goals(found, host), [True] * count, host)
            self.assertEqual(self.goals({}, host), [False] * count, host)
            ours = {what for driver, what in found.asked if driver == "ours"}
            for what in ours:
                # of a goal that compares two figures of ours one may not be small
                for some in ((1e-6, 5e3), (None,)):
                    self.assertIn(False, sum((self.goals(Figures(**{what: value}), host)
                                              for value in some), []), what)

    def test_page(self):
        """What is missed is there, invalidations too."""
        host, what = bench.HOSTS[0], "guest 4K on 4K H_PUT_TCE invalidations per TCE"
        for value, shown in ((1000, []), (1001, [what])):
            page = bench.table(host, bench.lines(Figures(**{what: value, UNMAP: 2}), *host))
            self.assertEqual(re.findall(r"^(.* invalidations per TCE) ", page, re.M), shown)
        self.assertRegex(bench.table(host, bench.lines({}, *host)),
                         "(?m)^v2 MAP of 4 MiB scattered per TCE +- +-  <= 130: NO FIGURE$")

    def test_exit_code(self):
        """A goal that is missed, or has no figure, fails; a run that ended early is no result."""
        for args, figures, code in (([], Figures(), 0), ([], Figures(**{UNMAP: 2}), 1),
                                    ([], {}, 1), ([], None, 2), (bench.HOSTS[0], Figures(), 0)):
            with patch("sys.argv", ["bench", *args]), \
                    patch.object(bench, "measure", lambda *_, found=figures: found), \
                    contextlib.redirect_stdout(io.StringIO()), \
                    contextlib.redirect_stderr(io.StringIO()):
                with self.assertRaises(SystemExit) as end:
                    raise SystemExit(bench.main(""))
            self.assertEqual(end.exception.code, code)
