# SPDX-License-Identifier: GPL-2.0-only
"""scripts/mutation: which faults there are, what catches them, and what is said of a sample."""
import contextlib
import io
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from tce.mutants import Mutant, mutants_of, siblings
from tce.paths import SCRIPTS
from tce.vm import console as vm
from tests import load

command = load(SCRIPTS / "mutation")
passed, why, Outcome = command.passed, command.why, command.Outcome


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
        made = {tuple(line[2:] for line in m.change.splitlines()) for m in mutants if m.kind != "reordered"}
        self.assertFalse([m for m in made if any(word in m[0] for word in ("resched", "comment", "smp_mb", "unlock"))])
        self.assertFalse([m for m in made if m[0].startswith("rc = show") and "a <= b" in m[1]])
        self.assertEqual({m.line for m in mutants if "n <= win->max" in m.text}, {6})

    meant = """static int keep(struct thing *win, struct thing *old, unsigned long n, int *list)
{
	struct thing *new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	int rc, i;

	for (i = 0; i < win->count; i++)
		list[i] = win->first + i;
	list_for_each_entry(old, &win->list, node)
		rc = show(win, n);
	thing_get(old);		/* why */
	pr_info("kept");
	thing_say(win, "now; then");
	thing_write(old, n + old->first);
	return rc;
}
"""
    structure = "struct thing {\n\tint count;\n\tunsigned long first;\n\tunsigned long last;\n};\n"

    def test_faults_of_meaning(self):
        mutants = [m for m in mutants_of("tce_table.c", self.meant, siblings([self.structure])) if m.of_meaning]
        self.assertEqual({m.text.count("\n") for m in mutants}, {self.meant.count("\n")})
        made = {(m.kind, *(line[2:] for line in m.change.splitlines())) for m in mutants}
        for expected in (("elsewhere", "list[i] = win->first + i;", "list[0] = win->first + i;"),
                         ("elsewhere", "list[i] = win->first + i;", "list[i] = win->first;"),
                         ("reordered", 'thing_say(win, "now; then"); thing_write(old, n + old->first);',
                          'thing_write(old, n + old->first); thing_say(win, "now; then");'),
                         ("other", "thing_get(old); /* why */", "thing_get(new); /* why */"),
                         ("other", "thing_write(old, n + old->first);", "thing_write(old, n + old->last);"),
                         ("other", "thing_write(old, n + old->first);", "thing_write(old, n + new->first);"),
                         ("unbalanced", "thing_get(old); /* why */", "; /* why */"),
                         ("impatient", "thing_get(old); /* why */", "if (!fatal_signal_pending(current)) thing_get(old); /* why */"),
                         ("forgotten", "rc = show(win, n);", "show(win, n);"),
                         ("only_some", "for (i = 0; i < win->count; i++)", "for (i = 0; i < win->count; i = win->count)"),
                         ("only_some", "for (i = 0; i < win->count; i++)", "for (i = 0; 1 + i < win->count; i++)")):
            self.assertIn(expected, made)
        for kind, old, new in (("flagless", "_ACCOUNT | __GFP_NOWARN", " | __GFP_NOWARN"), ("flagless", "kzalloc", "kmalloc"),
                               ("flagless", " | __GFP_NOWARN", "")):
            self.assertIn(self.meant.replace(old, new), [m.text for m in mutants if m.kind == kind])
        self.assertTrue([m for m in mutants if "if ((old = list_first_entry_or_null(&win->list, typeof(*old), node)))" in m.text])
        self.assertFalse([m for m in made if "pr_info" in m[1]])

    def test_seed(self):
        """Neither a comment nor a message draws another sample; the code does."""
        with tempfile.TemporaryDirectory() as tmp:
            file, seeds = Path(tmp) / "a.c", []
            for text in (self.source, self.source.replace("comment", "another comment").replace("a < b", "b < a"),
                         self.source.replace("n < win", "n <= win")):
                file.write_text(text)
                seeds.append(command.seed_of([file]))
        self.assertEqual(seeds[0], seeds[1])
        self.assertNotEqual(seeds[0], seeds[2])
        mutants = list(mutants_of("a.c", self.source))
        halves = command.drawn(mutants, 1)
        self.assertEqual([h.change for h in halves[0]], [h.change for h in command.drawn(mutants, 1)[0]])
        self.assertEqual(({m.of_meaning for m in halves[0]}, {m.of_meaning for m in halves[1]}), ({True}, {False}))
        self.assertEqual(len(halves[0]) + len(halves[1]), len(mutants))

    def test_sample(self):
        """Half of each, without what does not compile."""
        built = []

        class Builder:
            keep = staticmethod(lambda to: None)

            def build(self, mutant, to):
                built.append(mutant)
                return mutant.line != 3

        with patch.object(command, "Builder", Builder):
            sample = command.build_sample([self.mutants, self.mutants[10:]], 9)
        self.assertEqual([m.line for m, _ in sample], [0, 1, 2, 4, 5, 10, 11, 12, 13])
        self.assertEqual(len({to for _, to in sample}), 9)

    def test_published(self):
        """A figure is kept only if it is that of the whole sample that the module itself draws."""
        for args, kept in (([], 1), (["--seed", "7"], 0), (["--count", "5"], 0), (["--seed", "7", "--count", str(command.COUNT)], 0)):
            with patch.object(sys, "argv", ["mutation", *args]), patch.object(command, "mutants_of", return_value=[]), \
                    patch.object(command, "build_sample", return_value=[]), \
                    patch.object(command, "try_all", return_value=[]), patch.object(command.results, "save") as save, \
                    patch.object(command.shutil, "rmtree"), contextlib.redirect_stdout(io.StringIO()), \
                    contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(command.main(""), 1)
            self.assertEqual(save.call_count, kept, args)

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
        self.assertIn("eeh does not pass", why(vm.FAIL, "", good))
        # A run that has not come to its end has shown what it has said, and nothing else.
        for code in (vm.TIMEOUT, vm.NO_VERDICT, vm.QEMU_ERROR):
            self.assertEqual(why(code, console.replace("ok 1 - map: one\n", ""), good), "")
            self.assertEqual(why(code, console.replace("ok 1 -", "not ok 1 -"), good), "map: one")
            self.assertIn("blocked for more", why(code, console + "INFO: task x:1 blocked for more than 60 seconds.\n", good))

    def attempt(self, *runs):
        """What becomes of a mutant whose runs end so."""
        left = list(runs)
        good = {what: passed("ok 1 x\n") for what in command.STAGES}
        with patch.object(command, "boot", lambda *_: left.pop(0)):
            how = command.attempt(Path("m"), "1", good)
        self.assertEqual(left, [])
        return how

    def test_run_that_shows_nothing(self):
        """It is tried once more, and is no catch."""
        good, late, dead = (0, "ok 1 x\n"), (vm.TIMEOUT, "ok 1 x\n"), (vm.QEMU_ERROR, "")
        self.assertEqual(self.attempt(good, good), Outcome())
        self.assertEqual(self.attempt((1, "not ok 1 x\n")), Outcome("kunit: x"))
        self.assertEqual(self.attempt(late, good, dead, good), Outcome())
        self.assertEqual(self.attempt(late, (1, "not ok 1 x\n")), Outcome("kunit: x"))
        self.assertEqual(self.attempt(late, dead), Outcome(unknown="kunit: QEMU failed"))
        self.assertEqual(self.attempt(good, late, late), Outcome(unknown="selftest: time limit"))

    mutants = [Mutant("tce_map.c", n, f"- {n}\n+ x", "", "other" if n < 5 else "swapped") for n in range(20)]

    def test_try(self):
        built = [(m, Path(str(m.line))) for m in self.mutants]
        for bad in (None, 1, 3):
            controls = []

            def attempt(modules, name, good, bad=bad, controls=controls):
                if modules.name != "good":
                    return Outcome("it" * (name != "4"))
                controls.append(name)
                return Outcome(unknown="slow" * (len(controls) == bad))

            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
                if bad:
                    with self.assertRaises(SystemExit) as end:
                        command.try_all(built, 1, attempt)
                    self.assertEqual(end.exception.code, 2)
                    self.assertIn("inconclusive", said.getvalue())
                else:
                    tried = command.try_all(built, 1, attempt)
                    self.assertEqual([how.caught for *_, how in tried], ["it"] * 4 + [""] + ["it"] * 15)
                    self.assertEqual(len(controls), command.CONTROLS + 1)

    def report(self, *hows):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            rate, good = command.report(list(zip(self.mutants, hows)), 7)
        return rate, good, said.getvalue()

    def test_report(self):
        rate, good, said = self.report(*[Outcome("it")] * 9, Outcome())
        self.assertEqual((rate, good), ("9 of 10 caught (90.0 %), 95 % interval 59.6 to 98.2 %; 5 of 5 of meaning and 4 of 5 of syntax;"
                                        " 0 inconclusive", False))
        self.assertIn("\ntce_map.c:9 (swapped)\n- 9\n+ x\n", said)
        # what has shown nothing is not caught
        rate, _, said = self.report(*[Outcome("it")] * 9, Outcome(unknown="kunit: time limit"))
        self.assertIn("9 of 10 caught", rate)
        self.assertIn("; 1 inconclusive", rate)
        self.assertIn("Inconclusive:\n\ntce_map.c:9 (swapped)\n- 9\n+ x\nkunit: time limit\n", said)
        self.assertFalse(self.report()[1])

    def test_goal(self):
        """The lower end of the interval decides."""
        for caught, good in ((192, True), (190, False)):
            tried = [(self.mutants[0], Outcome("it" * (n < caught))) for n in range(200)]
            with contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(command.report(tried, 7)[1], good)
