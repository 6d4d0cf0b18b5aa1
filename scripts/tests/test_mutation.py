# SPDX-License-Identifier: GPL-2.0-only
"""scripts/mutation: mutants, what guests say of them, and the judge."""
import contextlib
import io
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tce import module
from tce.mutation import events, guests, stages
from tce.mutation.build import Build
from tce.mutation.lines import Lines, affordable
from tce.mutation.mutants import LEAST, LEAST_OF_FILE, NEVER, candidates, possible, sample
from tce.mutation.verdicts import caught_text, judge, read_caught, read_verdicts, stale_verdicts, summary, test_of
from tce.paths import ROOT, SCRIPTS


class Mutation(unittest.TestCase):
    source = """/* if (comment < 1) */
static int take(struct thing *win, int n)
{
	if (n < win->max &&
	    win->first != n)
		return -EINVAL;
	spin_lock(&win->lock);
	win->n += n;
	spin_unlock(&win->lock);
	tce_table_kill(win, 0,
		    n - 1);
	cond_resched();
	return 0;
}
"""

    def mutants(self, source=source):
        return list(candidates("tce_table.c", source))

    def test_faults(self):
        made = {(m.kind, m.before, m.after) for m in self.mutants()}
        for expected in (
                ("comparison off by one", "if (n < win->max &&", "if (n <= win->max &&"),
                ("and/or", "if (n < win->max &&", "if (n < win->max ||"),
                ("negated comparison", "win->first != n)", "win->first == n)"),
                ("dropped kill", "tce_table_kill(win, 0,", ""),
                ("removed lock", "spin_lock(&win->lock);", ";"),
                ("dropped assignment", "win->n += n;", ";"),
                ("other result", "return -EINVAL;", "return 0;")):
            self.assertIn(expected, made)
        self.assertFalse([m for m in made if "resched" in m[1] or "comment" in m[1]])

    def test_lines_stay_where_they_are(self):
        for m in self.mutants():
            self.assertEqual(m.text.count("\n"), self.source.count("\n"), m.key)

    def test_names_do_not_depend_on_the_place(self):
        moved = self.mutants("\n\nint other;\n" + self.source)
        self.assertEqual([m.id for m in moved], [m.id for m in self.mutants()])
        self.assertEqual(len({m.id for m in moved}), len(moved))

    def outcome(self, *lines):
        text = "".join(f"\n>> {line}" if line[0] != "[" else f"\n{line}" for line in lines) + "\n"
        return events.outcome(events.read_events(text), text)

    def proven(self, test, *lines):
        text = "".join(f"\n>> {line}" for line in lines) + "\n"
        return events.proven(events.read_events(text), text, test)

    def test_outcome(self):
        self.assertEqual(self.outcome("mutant a", "caught a by x: y", "mutant b", "survived b"),
                         ({"a": ("caught", "x: y"), "b": ("survived", "")}, None))
        self.assertEqual(self.outcome(), ({}, None))
        # Neither a guest that falls silent proves anything, nor what takes too long, nor
        # what the good module fails behind it, whether the mutant was the first or not.
        for before in ((), ("mutant a", "survived a")):
            for end, how in (((), "s.t: the guest stopped answering"),
                             (("[    9.0] Kernel panic - not syncing: softlockup",), "s.t: Kernel panic - not syncing: softlockup"),
                             (("doubt b by s.t: it hangs",), "s.t: it hangs"),
                             (("doubt b by s.t: x; then the good module: y",), "s.t: x; then the good module: y")):
                found, doubt = self.outcome(*before, "mutant b", "try s.r", "try s.t+leaks", "try leaks", *end)
                self.assertEqual((sorted(found), doubt), (["a"] if before else [], ("b", "s.t", how)))
        # An oops does, if it was the mutant at work.
        oops = "[    9.0] Oops: Kernel access of bad area, sig: 11 [#1]"
        for end in ((oops,), (oops, "doubt b by s.t: it hangs"), (oops, "try s.t with the good module")):
            found, doubt = self.outcome("mutant b", "try s.r", "try s.t", *end)
            self.assertEqual((found["b"][0], doubt), ("caught", None))
        for end in (("measure s.t", oops), ("try s.t", "try s.t with the good module", oops)):
            found, doubt = self.outcome("mutant b", *end)
            self.assertEqual((found, bool(doubt)), ({}, True))
        # A test of another mutant is not this one's.
        self.assertEqual(self.outcome("mutant a", "try s.t", "survived a", "mutant b")[1][:2], ("b", ""))

    def test_doubts(self):
        begun = ("mutant b", "try s.t with the good module")
        good = (*begun, "good s.t", "try s.t")
        self.assertTrue(self.proven("s.t", *good))
        self.assertTrue(self.proven("s.t", *good, "doubt b by s.t: it hangs"))
        self.assertTrue(self.proven("s.t", *good, "caught b by s.t: x"))
        self.assertFalse(self.proven("s.t", *good, "survived b"))
        # the good module is slow as well, or there is no word of it
        self.assertFalse(self.proven("s.t", *begun))
        self.assertFalse(self.proven("s.t", *begun, "!! the good module: it hangs"))
        self.assertFalse(self.proven("s.t", "mutant b", "try s.t"))
        self.assertFalse(self.proven("s.t"))
        # loading has no test: the good module was loaded first
        self.assertTrue(self.proven("", "mutant b", "doubt b by loading: x"))
        self.assertFalse(self.proven("", "mutant b", "survived b"))

    def test_rounds(self):
        """What ends guests, but not twice with the same test, survives in the end."""
        boots = []
        runner = guests.Runner(stages.STAGES[0], None, None, {}, 90)

        def boot(tries, worker, note, confirm=False):
            boots.append(([t[0] for t in tries], tries[0][2], confirm))
            if confirm:
                text = "\n>> mutant b\n>> good s.t\n>> try s.t\n" + (">> survived b\n" if self.once else "")
            else:
                names = [t[0] for t in tries]
                text = "".join(f"\n>> mutant {n}\n>> survived {n}" for n in names if n != "b") if "b" not in names \
                    else "\n>> mutant b\n>> try s.t\n"
            return events.read_events(text), text

        runner.boot = boot
        for self.once, verdict, confirmed in ((False, "caught", 1), (True, "survived", guests.ROUNDS)):
            noted = {}
            boots.clear()
            runner.run([("b", None, ["s.r", "s.t"]), ("c", None, ["s.r"])], 1, lambda *n: noted.update({n[0]: n[1]}))
            self.assertEqual(noted, {"b": verdict, "c": "survived"})
            self.assertEqual([b for b in boots if b[2]], [(["b"], ["s.t"], True)] * confirmed)

    def results(self, caught, *survivors):
        """So many mutants are caught; of each survivor there is this verdict, or None."""
        mutants = self.mutants()[:caught + len(survivors)]
        self.assertEqual(len(mutants), caught + len(survivors))
        results = {m.id: ("caught", "kunit", "x") for m in mutants[:caught]}
        results.update({m.id: ("survived", "", "") for m in mutants[caught:]})
        verdicts = {m.key: f"{v}: x" for m, v in zip(mutants[caught:], survivors) if v}
        return results, mutants, verdicts

    def judge(self, caught, *survivors, least=1):
        return judge(*self.results(caught, *survivors), 90, least)

    def test_judge(self):
        self.assertFalse(self.judge(10))
        for verdict in ("unseen", "missing test", None):
            self.assertFalse(self.judge(9, verdict))
            self.assertTrue(self.judge(8, verdict, verdict))
            self.assertTrue(self.judge(8, verdict, "equivalent"))
        self.assertTrue(self.judge(0))
        results, mutants, verdicts = self.results(9, "unseen")
        del results[mutants[0].id]
        self.assertTrue(judge(results, mutants, verdicts, 80))

    def test_equivalent_mutants_do_not_count(self):
        self.assertFalse(self.judge(8, "equivalent", "equivalent"))
        self.assertTrue(self.judge(0, "equivalent"))
        self.assertFalse(self.judge(8, "equivalent", least=8))
        self.assertTrue(self.judge(8, "equivalent", least=9))
        text = summary(*self.results(7, "equivalent", "unseen", None))
        self.assertIn("7 of 9 (77.8 %)", text)
        self.assertIn("7 of 10 (70.0 %)", text)
        self.assertIn("1 missed ones without a verdict", text)

    def test_wrong_verdicts(self):
        results, mutants, verdicts = self.results(10)
        verdicts[mutants[0].key] = "equivalent: x"
        self.assertTrue(judge(results, mutants, verdicts, 50))
        # bad luck may catch what can't be shown every time
        verdicts[mutants[0].key] = "unseen: x"
        self.assertFalse(judge(results, mutants, verdicts, 50))
        self.assertFalse(stale_verdicts(verdicts, mutants))
        self.assertTrue(stale_verdicts(verdicts, mutants[1:]))

    def test_sample(self):
        source = self.source.replace("tce_table_kill", "smp_store_release(&win->first, n);\n\ttce_table_kill")
        source += "".join(source.replace(" take(", f" take{n}(") for n in range(5))
        small = list(candidates("tce_eeh.c", self.source))
        mutants = self.mutants(source) + small
        self.assertIn("weaker barrier", [m.kind for m in mutants])
        self.assertNotIn("weaker barrier", [m.kind for m in sample(mutants, 10000, 1)])
        self.assertEqual(len(sample(small, 10000, 1)), len(small))
        drawn = [m.id for m in sample(mutants, 40, 1)]
        self.assertEqual(len(drawn), len(set(drawn)))
        self.assertTrue(40 <= len(drawn) <= 50)
        self.assertGreaterEqual(sum(m.id in drawn for m in small), LEAST_OF_FILE)
        self.assertEqual(drawn, [m.id for m in sample(mutants, 40, 1)])
        self.assertNotEqual(drawn, [m.id for m in sample(mutants, 40, 2)])
        # the others of the same seed do not change when a mutant is gone
        left = [m.id for m in sample([m for m in mutants if m.id != drawn[0]], 40, 1)]
        self.assertLessEqual(len(set(drawn) - set(left)), 2)

    def test_no_sample_without_a_seed(self):
        with self.assertRaises(TypeError):
            sample(self.mutants(), 10)

        def seed():
            done = subprocess.run([SCRIPTS / "mutation", "--list"], stdout=subprocess.PIPE, text=True, check=True)
            return re.search(r"\n>> mutation: \d+ mutants, seed (\d+): ", done.stdout)[1]
        self.assertGreater(len({seed() for _ in range(3)}), 1)

    def test_files(self):
        self.assertEqual(set(module.OBJECTS), {p.name for p in ROOT.glob("*.c") if ".mod." not in p.name})

    def test_headers(self):
        """All functions that are in line in a header are a part of the sample."""
        every = possible()
        bodies = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.h") if path.parent in (ROOT, ROOT / "compat")
                  and any(line == "{" for line in path.read_text().splitlines())}
        self.assertLessEqual({"tce_container.h", "tce_entry.h", "tce_region_inline.h", "tce_span.h"}, bodies)
        self.assertEqual({m.file for m in every}, {*module.OBJECTS, *bodies})
        self.assertEqual(len({m.id for m in every}), len(every))
        drawn = [m.file for m in sample(every, LEAST, 1)]
        for file in bodies:
            there = sum(m.file == file and m.kind not in NEVER for m in every)
            self.assertGreaterEqual(drawn.count(file), min(there, LEAST_OF_FILE), file)

    sources = {
        "one.h": "static inline int twice(int a)\n{\n\tif (0)\n\t\ta -= 1;\n\treturn a + a;\n}\n"
                 "static inline int less(int a)\n{\n\treturn a - 1;\n}\n",
        "two.h": '#include "one.h"\n',
        "near.c": '#include "one.h"\nint near(int a)\n{\n\treturn twice(less(a));\n}\n',
        "far.c": '#include "two.h"\nint far(int a)\n{\n\treturn twice(a) + __LINE__ + __builtin_strlen(__FILE__);\n}\n',
        "none.c": "int none(int a)\n{\n\treturn a + a;\n}\n"}

    @contextlib.contextmanager
    def built(self):
        """These sources, as a module that Kbuild has built: a Build, and what it links, {id: objects}."""
        with tempfile.TemporaryDirectory() as tmp:
            box = Build.__new__(Build)
            box.base, box.out, box.kdir, box.kernel = Path(tmp, "base"), Path(tmp, "out"), tmp, {"KDIR": tmp}
            root = Path(tmp, "root")
            for directory in root, box.base:
                directory.mkdir()
                for name, text in {"Kbuild": "", **self.sources}.items():
                    (directory / name).write_text(text)
            # One object has another name than its source.
            objects = {"near.c": "face.o", "far.c": "far.o", "none.c": "none.o"}
            for name, obj in objects.items():
                command = f"gcc -O2 -Wp,-MMD,{tmp}/{obj}.d -c -o {box.base}/{obj} {box.base}/{name}"
                subprocess.run(command.split(), check=True)
                (box.base / f".{obj}.cmd").write_text(f"savedcmd_{box.base}/{obj} := {command}\n\n" + Path(tmp, f"{obj}.d").read_text())
            linked = {}
            box.link = lambda name, objs, ko: linked.update({ko.parent.name: sorted(o.name for o in objs)})
            with mock.patch.dict(module.OBJECTS, objects, clear=True), mock.patch("tce.mutation.build.ROOT", root):
                yield box, linked

    def test_build(self):
        """A mutant of a header is built into all that include it, and is the same only if all of these are."""
        every = {f"{m.file} {m.kind} {m.before}": m for file, text in self.sources.items() for m in candidates(file, text)}
        header, once, dead, plain = (every[key] for key in (
            "one.h arithmetic return a + a;", "one.h constant off by one return a - 1;", "one.h arithmetic a -= 1;",
            "none.c arithmetic return a + a;"))
        broken = candidates("one.h", self.sources["one.h"].replace("a + a;", "a + b;"))
        with self.built() as (box, linked):
            self.assertEqual(box.users("one.h"), ["near.c", "far.c"])
            self.assertEqual(box.users("two.h"), ["far.c"])
            self.assertEqual(box.users("none.c"), ["none.c"])
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                box.users("three.h")
            for _ in "first", "from before":
                linked.clear()
                done = box.make([header, once, dead, plain], "m", 2)
                self.assertEqual(done[dead], "same")
                self.assertEqual(linked, {header.id: ["face.o", "far.o"], once.id: ["face.o", "far.o"], plain.id: ["none.o"]})
                for obj in "face.o", "far.o":
                    self.assertNotEqual((box.out / "mutants" / header.id / obj).read_bytes(),
                                        (box.out / "mutants/plain" / obj).read_bytes())
            self.assertEqual(set(box.make(list(broken), "m", 1).values()), {"broken"})

    def test_link(self):
        """All objects of a header's mutant are exchanged, and no other."""
        with self.built() as (box, _):
            del box.link
            box.kernel["CROSS_COMPILE"] = ": "
            (box.base / "m.mod").write_text("".join(f"{box.base}/{name}.o\n" for name in ("face", "far", "none")))
            (box.base / ".m.o.cmd").write_text(f"savedcmd_m.o := cat @{box.base}/m.mod -o {box.base}/m.o\n")
            (box.base / ".m.ko.cmd").write_text(f"savedcmd_m.ko := cat {box.base}/m.o {box.base}/m.ko\n")
            seen = []
            box.run = lambda command: seen.append(Path(re.search(r"@(\S+)", command)[1]).read_text()) or mock.Mock(returncode=0)
            box.link("m", [Path("/x/face.o"), Path("/x/far.o")], Path(box.kdir, "m.ko"))
            self.assertEqual(seen, [f"/x/face.o\n/x/far.o\n{box.base}/none.o\n"])

    def test_caught(self):
        for how, test in (("tce_map.v2_map: it hangs, twice", "tce_map.v2_map"), ("tce_map+leaks: lost memory", "tce_map"),
                          ("dma: row 1", "dma"), ("loading: no", ""), ("", "")):
            self.assertEqual(test_of(how), test)
        mutants = self.mutants()[:4]
        results = {m.id: ("caught", "kunit", f"tce_map.{n}: x") for n, m in enumerate(mutants[:2])}
        results[mutants[2].id] = ("caught", "kunit", "leaks: lost memory")
        results[mutants[3].id] = ("survived", "", "")
        here = ("tce_table.c", "take")
        before = {(*here, "kunit"): ["tce_map.1", "tce_map.2"], (*here, "selftests"): ["dma"],
                  ("tce_table.c", "gone", "kunit"): ["tce_map.1"]}
        self.assertEqual(read_caught(caught_text(results, mutants, before, {here})), {
            (*here, "kunit"): ["tce_map.0", "tce_map.1", "tce_map.2"], (*here, "selftests"): ["dma"]})

    def test_who_runs_the_line(self):
        lines = Lines.__new__(Lines)
        lines.unusable = {}
        m = next(m for m in self.mutants() if m.before.startswith("win->n += n"))
        at, elsewhere = {m.file: {m.line}}, {m.file: {m.line + 100}}
        lines.tests = {"a.x": (3, 50, at), "a.y": (2, 10, elsewhere), "a.z": (2, 10, elsewhere), "c.x": (2, 1, elsewhere),
                       **{f"b.{n}": (2, 5, at) for n in range(4)}}
        self.assertEqual(lines.tests_for(m, ["a", "b", "c"]), ["b.0", "b", "a.x"])
        # First what has helped before, as far as it runs the line.
        self.assertEqual(lines.tests_for(m, ["a", "b", "c"], ["c.x", "b.2", "a.x", "gone"]), ["b.2", "a.x", "b"])
        self.assertEqual(lines.expected()["b"], (5, 20))
        lines.unusable = {"b.9": "it fails"}
        self.assertEqual(lines.tests_for(m, ["b"]), [f"b.{n}" for n in range(4)])
        lines.unusable = {}
        # gcov does not know the line, but those around it
        lines.tests = {"a.x": (3, 50, {m.file: {m.line - 2}}), "a.y": (2, 10, {m.file: {m.line + 1}}),
                       "a.z": (2, 10, {m.file: {m.line - 3, m.line + 2}})}
        self.assertEqual(lines.tests_for(m, ["a"]), ["a.y", "a.x"])
        # Cases that go on elsewhere come before those that only cost less.
        file = {n: {m.file: {m.line, *others}} for n, others in {"a": [9001], "b": [], "c": [9001, 9002, 9003]}.items()}
        lines.tests = {"a.a": (2, 2, file["a"]), "a.b": (2, 2, file["b"]), "a.c": (2, 4, file["c"]), "a.d": (2, 1, file["b"])}
        self.assertEqual(lines.tests_for(m, ["b"]), [])
        lines.tests["b.z"] = (2, 900, file["b"])
        self.assertEqual(lines.tests_for(m, ["a"]), ["a.c", "a"])
        self.assertEqual(lines.spread(m.file, ["a.a", "a.b"], ["a.c"]), [])
        lines.tests = {"b.0": (5, 20, at), "a.x": (3, 50, at)}
        self.assertEqual(affordable(["b", "a.x"], lines.expected(), 30), ["b"])
        self.assertEqual(affordable(["a.x"], lines.expected(), 30), ["a.x"])

    def test_verdicts(self):
        m = self.mutants()[0]
        text = f"# SPDX\n\n{m.key}\n= equivalent: it is\n  so\n"
        self.assertEqual(read_verdicts(text), {m.key: "equivalent: it is so"})

