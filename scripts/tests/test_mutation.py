# SPDX-License-Identifier: GPL-2.0-only
"""scripts/mutation: which faults there are, what catches them, and what is said of a sample."""
import contextlib
import io
import json
import subprocess
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

    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.place = Path(tmp.name) / "cache/key.json"

    def known(self):
        return command.Known(self.place)

    def sample(self, known, count=9):
        """The sample, and what was built for it."""
        built = []

        class Builder:
            def build(self, mutant, to):
                built.append(mutant.line)
                return mutant.line != 3

        with patch.object(command, "Builder", Builder):
            return list(command.sample([self.mutants, self.mutants[10:]], count, known)), built

    def test_sample(self):
        """Half of each, without what does not compile."""
        sample, built = self.sample(self.known())
        self.assertEqual([m.line for m, _ in sample], [0, 1, 2, 4, 5, 10, 11, 12, 13])
        self.assertEqual(len({to for _, to in sample}), 9)
        self.assertEqual(built, [0, 1, 2, 3, 4, 5, 10, 11, 12, 13])

    def test_known_sample(self):
        """What is known is not built again, and the sample is the same."""
        known = self.known()
        self.sample(known)
        known.add(self.mutants[1], "kunit: x")
        known.add(self.mutants[10], "")
        sample, built = self.sample(self.known())
        self.assertEqual([m.line for m, _ in sample], [0, 1, 2, 4, 5, 10, 11, 12, 13])
        self.assertEqual([what for _, what in sample if isinstance(what, Outcome)], [Outcome("kunit: x"), Outcome()])
        self.assertEqual(built, [0, 2, 4, 5, 11, 12, 13])
        self.assertEqual(len({to for _, to in sample}), 9)

    def test_built_when_needed(self):
        """No more than one mutant waits for a machine, and none is built after the time limit."""
        begun = []

        def chosen():
            for mutant in self.mutants:
                begun.append(mutant)
                yield mutant, Path("m")

        def attempt(modules, name, good, to_end):
            if to_end:
                return Outcome()
            self.assertLessEqual(len(begun), int(name) + 2)
            return Outcome("it")

        with self.quiet():
            command.try_all(chosen(), 1000, 1, self.known(), attempt=attempt)
            self.assertEqual(len(begun), 20)
            begun.clear()
            with self.assertRaises(SystemExit):
                command.try_all(chosen(), 20, 1, self.known(), 0, lambda *_: Outcome())
        self.assertEqual(len(begun), 1)

    def test_published(self):
        """A figure is kept only if it is that of the whole sample that the module itself draws."""
        for args, kept in (([], 1), (["--seed", "7"], 0), (["--count", "5"], 0), (["--seed", "7", "--count", str(command.COUNT)], 0)):
            with patch.object(sys, "argv", ["mutation", *args]), patch.object(command, "mutants_of", return_value=[]), \
                    patch.object(command, "all_that_decides", return_value="key"), \
                    patch.object(command, "try_all", return_value=[]), patch.object(command.results, "save") as save, \
                    patch.object(command.shutil, "rmtree"), self.quiet():
                self.assertEqual(command.main(""), 1)
                with patch.object(command, "try_all", side_effect=command.UnmodifiedFails("it")), \
                        patch.object(command.results, "failed") as failed, self.assertRaises(SystemExit):
                    command.main("")
            self.assertEqual((save.call_count, failed.call_count), (kept, kept), args)

    def test_all_that_decides(self):
        """A comment decides nothing; code, a test, a script of the guest and a kernel do."""
        top = self.place.parent
        for place in ("compat", "kunit", "selftests/lib", "scripts/guest"):
            (top / place).mkdir(parents=True)
        names = ("Kbuild", "tce_map.c", "compat/older.h", "kunit/tce_kunit.c", "selftests/lib/tce.c", "complaints",
                 *(f"scripts/guest/{name}" for name in ("init", "lib.sh", "health.sh", "kunit.sh", "selftest.sh")))
        for name in names:
            (top / name).write_text('a("//"); /* one */\n')

        def decided(kernel="/kernel/key1"):
            with patch.object(command, "ROOT", top), patch.object(command, "SCRIPTS", top / "scripts"), \
                    patch.object(command, "DATA", top), patch.object(command.kernels, "env", lambda _: {"KDIR": kernel}):
                return command.all_that_decides()

        before = decided()
        (top / "tce_map.c").write_text('a("//");\n\n/* two */')
        (top / "tce_map.mod.c").write_text("a")
        (top / "scripts/guest/demo.sh").write_text("a")
        self.assertEqual(decided(), before)
        seen = {before, decided("/kernel/key2")}
        for name in names:
            (top / name).write_text('a("//"); b();\n')
            seen.add(decided())
        self.assertEqual(len(seen), len(names) + 2)

    @contextlib.contextmanager
    def quiet(self):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            yield said

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
        for code in (vm.TIMEOUT, vm.NO_VERDICT, vm.QEMU_ERROR, vm.ENDED):
            self.assertEqual(why(code, console.replace("ok 1 - map: one\n", ""), good), "")
            self.assertEqual(why(code, console.replace("ok 1 -", "not ok 1 -"), good), "map: one")
            self.assertIn("blocked for more", why(code, console + "INFO: task x:1 blocked for more than 60 seconds.\n", good))

    def attempt(self, *runs):
        """What becomes of a mutant whose runs end so."""
        left = list(runs)
        good = {what: passed("ok 1 x\n") for what in command.STAGES}
        with patch.object(command, "boot", lambda *_: left.pop(0)):
            how = command.attempt(Path("m"), "1", good, False)
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
        # What we have ended ourselves is caught by what was seen, and by nothing else.
        self.assertEqual(self.attempt((vm.ENDED, "not ok 2 y\n")), Outcome("kunit: y"))
        self.assertEqual(self.attempt(*[(vm.ENDED, "")] * 2), Outcome(unknown="kunit: ended at the first failure"))

    def test_time_limit_of_a_test(self):
        """It is no catch either."""
        log = self.place.parent / "mutation-1-kunit.log"
        said = {"# ended by signal 14 (Alarm clock)": True, "[   9.1]     # x: try timed out": True,
                "[   9.1]     # x: test case timed out": True, "# ended by signal 11 (Segmentation fault)": False}
        for line, late in said.items():
            text = f"ok 1 a\n{line}\nnot ok 2 x\n"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(text)
            with patch.object(command.subprocess, "run", return_value=subprocess.CompletedProcess((), vm.ENDED)), \
                    patch.object(command, "output", return_value=""), patch.object(command, "LOGS", log.parent):
                code, seen = command.boot("kunit", Path("m"), "1", False)
            self.assertEqual((code, why(code, seen, Counter())), (vm.TIMEOUT, "") if late else (vm.ENDED, "x"))
            self.assertIn("ok 1 a", seen)

    def test_interrupted_run(self):
        """A run that somebody has ended has no outcome."""
        done = [subprocess.CompletedProcess((), code, "") for code in (130, 143, -9, -2, vm.USAGE)]
        for one in done:
            with patch.object(command.subprocess, "run", return_value=one), patch.object(command, "output", return_value=""), \
                    patch.object(command, "LOGS", self.place.parent), self.quiet(), self.assertRaises(SystemExit):
                command.boot("kunit", Path("m"), "1", False)

    mutants = [Mutant("tce_map.c", n, f"- {n}\n+ x", f"{n}", "other" if n < 5 else "swapped") for n in range(20)]

    def test_try(self):
        built = [(m, Path(str(m.line))) for m in self.mutants]
        for bad in (None, 1, 3):
            controls = []

            def attempt(modules, name, good, to_end, bad=bad, controls=controls):
                self.assertEqual(to_end, modules.name == "good")
                if modules.name != "good":
                    return Outcome("it" * (name != "4"))
                controls.append(name)
                return Outcome(unknown="slow" * (len(controls) == bad))

            with self.quiet():
                if bad:
                    with self.assertRaisesRegex(command.UnmodifiedFails, "inconclusive"):
                        command.try_all(built, 20, 1, self.known(), attempt=attempt)
                else:
                    tried = command.try_all(built, 20, 2, self.known(), attempt=attempt)
                    self.assertEqual([m.line for m, _ in tried], list(range(20)))
                    self.assertEqual([how.caught for *_, how in tried], ["it"] * 4 + [""] + ["it"] * 15)
                    self.assertEqual(len(controls), command.CONTROLS + 1)

    def resumed(self, how, known=None):
        """(what has caught all, the numbers of those that were booted): it goes so with these"""
        names = []

        def attempt(modules, name, good, to_end):
            if not to_end:
                names.append(int(name))
            return Outcome() if to_end else how

        known = known or self.known()
        built = [(m, Outcome(known.mutants[known.name(m)]) if known.name(m) in known.mutants else Path(str(m.line))) for m in self.mutants]
        with self.quiet():
            return [how.caught for _, how in command.try_all(built, 20, 1, known, attempt=attempt)], names

    def test_kept(self):
        """What was caught or has survived is known the next time, and what is inconclusive is not."""
        hows, names = self.resumed(Outcome(unknown="slow"))
        self.assertEqual((hows, names), ([""] * 20, list(range(20))))
        self.assertFalse(self.place.exists())
        for n, how in ((0, "kunit: x"), (7, ""), (8, None)):
            self.known().add(self.mutants[n], how)
        self.assertEqual(list(self.known().mutants.values()), ["kunit: x", "", None])
        known = self.known()
        del known.mutants[known.name(self.mutants[8])]
        hows, names = self.resumed(Outcome("it"), known)
        self.assertEqual(hows, ["kunit: x", *["it"] * 6, "", *["it"] * 12])
        self.assertEqual(names, [n for n in range(20) if n not in (0, 7)])
        self.assertEqual(self.resumed(Outcome("other")), (hows, []))
        self.assertGreater(json.loads(self.place.read_text())["minutes"], 0)

    def test_time_limit(self):
        """What was tried until then is kept, and the rest is for another run."""
        minute = [0]

        def attempt(modules, name, good, to_end):
            minute[0] += not to_end
            return Outcome("it" * (not to_end))

        with patch.object(command.time, "monotonic", lambda: minute[0]), self.quiet() as said, self.assertRaises(SystemExit) as end:
            command.try_all([(m, Path("m")) for m in self.mutants], 20, 1, self.known(), 4.5, attempt)
        self.assertEqual(end.exception.code, 2)
        self.assertIn("to be continued: 5 of 20", said.getvalue())
        self.assertEqual(self.resumed(Outcome("it")), (["it"] * 20, list(range(5, 20))))

    def test_module_that_fails(self):
        """If a test fails with the module as it is, nothing counts that was seen so far, nor what others find meanwhile."""
        for how, left in ((Outcome(unknown="slow"), 1), (Outcome("it"), 0)):
            self.known().add(self.mutants[0], "kunit: x")
            known, one = self.known(), Path("1")
            with self.quiet(), self.assertRaises(command.UnmodifiedFails):
                command.try_all([(self.mutants[1], one)], 20, 1, known, attempt=lambda *_, how=how: how)
            known.add(self.mutants[2], "it")
            self.assertEqual(self.place.exists(), bool(left))

    def test_mutants_are_told_apart(self):
        """By the text, because two lines of a file may change in the same way; not by comments."""
        name = command.Known.name
        one = Mutant("tce_map.c", 1, "- a;\n+ ;", "/* one */ ; a;")
        self.assertNotEqual(name(one), name(Mutant("tce_map.c", 1, "- a;\n+ ;", "/* one */ a; ;")))
        self.assertEqual(name(one), name(Mutant("tce_map.c", 3, "- a;\n+ ;", "/* two */\n\n ; a;")))

    def report(self, *hows, why=""):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            said, good = command.report(list(zip(self.mutants, hows)), 7, command.reasons(why))
        rate, *more = said.split("\n", 1)
        self.assertEqual(out.getvalue(), f"{''.join(more)}\n>> mutation: {rate}\n")
        return rate, good, out.getvalue()

    def test_report(self):
        rate, good, said = self.report(*[Outcome("it")] * 9, Outcome())
        self.assertEqual((rate, good), ("9 of 10 caught (90.0 %), 95 % interval 59.6 to 98.2 %; 5 of 5 of meaning and 4 of 5 of syntax;"
                                        " 0 inconclusive; seed 7; goal, by the lower end, 92 %: MISSED, 0 of the others have a reason",
                                        False))
        self.assertIn("\ntce_map.c:9 (swapped)\n- 9\n+ x\nNo reason is known.\n", said)
        # what has shown nothing is not caught
        rate, _, said = self.report(*[Outcome("it")] * 9, Outcome(unknown="kunit: time limit"))
        self.assertIn("9 of 10 caught", rate)
        self.assertIn("; 1 inconclusive", rate)
        self.assertIn("Inconclusive:\n\ntce_map.c:9 (swapped)\n- 9\n+ x\nkunit: time limit\n", said)
        self.assertFalse(self.report()[1])

    def test_reasons(self):
        """Each is for one survivor with that change, and for none that is inconclusive."""
        why = "# all\n\ntce_map.c\n- 9\n+ x\nNobody\nasks.\n\ntce_map.c\n- 8\n+ x\nAs before.\n"
        two = [Outcome("it")] * 8 + [Outcome()] * 2
        rate, good, said = self.report(*two, why=why)
        self.assertTrue(good)
        self.assertIn("MISSED, 2 of the others have a reason", rate)
        self.assertIn("- 9\n+ x\nNobody asks.\n", said)
        self.assertEqual(command.for_page(f"{rate}\n{said}").replace("\n", " "), rate)
        self.assertFalse(self.report(*two, why=why.replace("- 8", "- 9"))[1])
        self.assertIn("- 8\n", command.for_page("x\n" + self.report(*two, why=why.replace("- 8", "- 9"))[2]))
        self.assertFalse(self.report(*two[:9], Outcome(unknown="time"), why=why)[1])
        self.assertFalse(self.report(why=why)[1])

    def test_left_out(self):
        """What no test has to catch is not built, and has survived, whatever is known of it; if it can be told apart."""
        why = command.reasons("tce_map.c\n- 1\n+ x\nNobody asks.\n\ntce_map.c\n- 11\n+ x\nNor here.\n")
        known = self.known()
        known.add(self.mutants[11], "it")
        known.left_out = command.left_out(self.mutants, why)
        sample, built = self.sample(known)
        self.assertEqual([(m.line, what) for m, what in sample if isinstance(what, Outcome)], [(1, Outcome()), (11, Outcome())])
        self.assertEqual(built, [0, 2, 3, 4, 5, 10, 12, 13])
        self.assertNotIn(known.name(self.mutants[1]), self.known().mutants)
        twice = [*self.mutants, Mutant("tce_map.c", 99, self.mutants[1].change, "elsewhere")]
        self.assertEqual(command.left_out(twice, why), {known.name(self.mutants[11])})

    def test_goal(self):
        """The lower end of the interval decides."""
        for caught, good in ((192, True), (190, False)):
            tried = [(self.mutants[0], Outcome("it" * (n < caught))) for n in range(200)]
            with contextlib.redirect_stdout(io.StringIO()):
                rate, met = command.report(tried, 7, {})
            self.assertEqual((met, "MISSED" in rate), (good, not good))
