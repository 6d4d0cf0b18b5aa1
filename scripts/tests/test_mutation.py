# SPDX-License-Identifier: GPL-2.0-only
"""scripts/mutation: which faults there are, what catches them, and what is said of a sample."""
import contextlib
import io
import unittest
from collections import Counter
from pathlib import Path

from tce.mutants import Mutant, mutants_of
from tce.paths import SCRIPTS
from tests import load

command = load(SCRIPTS / "mutation")
passed, why = command.passed, command.why


class Mutation(unittest.TestCase):
    source = """/* if (comment < 1) */
static int take(struct thing *win, int n)
{
	int rc = 0;

	if (n < win->max &&
	    win->first != n)
		return -EINVAL;
	spin_lock(&win->lock);
	win->n += n;
	spin_unlock(&win->lock);
	tce_table_kill(win, 0,
		       n - 1);
	cond_resched();
	smp_mb();
	rc = show(win, "a < b");
	if (rc)
		goto err_kill;
	return 0;
err_kill:
	return rc;
}
"""

    def test_faults(self):
        mutants = list(mutants_of("tce_table.c", self.source))
        self.assertEqual({m.text.count("\n") for m in mutants}, {self.source.count("\n")})
        self.assertEqual(len({m.text for m in mutants} | {self.source}), len(mutants) + 1)
        made = {tuple(line[2:] for line in m.change.splitlines()) for m in mutants}
        for expected in (("if (n < win->max &&", "if (n <= win->max &&"), ("if (n < win->max &&", "if (n < win->max ||"),
                         ("if (n < win->max &&", "if ((n < win->max &&"), ("if (n < win->max &&", "if (!(n < win->max &&"),
                         ("win->first != n)", "win->first == n)"), ("tce_table_kill(win, 0,", ""), ("n - 1);", "n);"),
                         ("spin_lock(&win->lock);", ";"), ("win->n += n;", ";"), ("win->n += n;", "win->n -= n;"),
                         ("return -EINVAL;", "return 0;"), ("goto err_kill;", "return rc;"), ("goto err_kill;", ";"),
                         ("if (rc)", "if ((rc) && 0)"), ("return 0;", "return -EIO;")):
            self.assertIn(expected, made)
        self.assertFalse([m for m in made if any(word in m[0] for word in ("resched", "comment", "smp_mb", "unlock"))])
        self.assertFalse([m for m in made if m[0].startswith("rc = show") and "a <= b" in m[1]])
        self.assertEqual({m.line for m in mutants if "n <= win->max" in m.text}, {6})

    def test_caught(self):
        console = ("VM-START\n>> abi --safe\nTAP version 13\nok 1 - map: one\nok 2 - map: two\nok 3 - eeh # SKIP none\n"
                   "[   12.3456]     ok 4 map_case\n[   12.5]     not ok 5 x # SKIP no\n").replace("    not ok 5 x # SKIP no", "message")
        good = passed(console)
        self.assertEqual(good, {"map: one": 1, "map: two": 1, "eeh": 1, "map_case": 1})
        self.assertEqual(why(0, console, good), "")
        self.assertEqual(why(3, console, good), "the kernel complained")
        self.assertEqual(why(3, "[   9.0] BUG: it\nok 1 - map: one\n", good), "[   9.0] BUG: it")
        for old, new, how in (("ok 2 - map: two", "not ok 2 - map: two", "map: two"), ("    ok 4", "    not ok 4", "map_case"),
                              ("ok 1 - map: one\n", "", "map: one does not pass")):
            self.assertEqual(why(0, console.replace(old, new), good), how)
        self.assertEqual(why(0, console, good + Counter(["map: two"])), "map: two does not pass")
        self.assertIn("eeh does not pass", why(4, "", good))

    mutants = [Mutant("tce_map.c", n, f"- {n}\n+ x", "") for n in range(20)]

    def test_try(self):
        built = [(m, Path(str(m.line))) for m in self.mutants]
        for bad in (None, 1, 3):
            controls = []

            def attempt(modules, name, good, bad=bad, controls=controls):
                if modules.name != "good":
                    return "it" * (name != "4")
                controls.append(name)
                return "flaky" * (len(controls) == bad)

            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
                if bad:
                    with self.assertRaises(SystemExit) as end:
                        command.try_all(built, 1, attempt)
                    self.assertEqual(end.exception.code, 2)
                    self.assertIn("inconclusive", said.getvalue())
                else:
                    tried = command.try_all(built, 1, attempt)
                    self.assertEqual([how for *_, how in tried], ["it"] * 4 + [""] + ["it"] * 15)
                    self.assertEqual(len(controls), command.CONTROLS + 1)

    def report(self, *hows):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            rate, good = command.report(list(zip(self.mutants, hows)), 7)
        return rate, good, said.getvalue()

    def test_report(self):
        rate, good, said = self.report(*["it"] * 9, "")
        self.assertEqual((rate, good), ("9 of 10 caught (90.0 %), 95 % interval 59.6 to 98.2 %", True))
        self.assertIn("\ntce_map.c:9\n- 9\n+ x\n", said)
        self.assertFalse(self.report(*["it"] * 8, "", "")[1])
        self.assertFalse(self.report()[1])
