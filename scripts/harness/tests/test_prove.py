# SPDX-License-Identifier: GPL-2.0-only
"""scripts/prove: what counts as proved, what as refuted, and what as neither."""
import concurrent.futures
import contextlib
import io
from unittest import mock

from harness.paths import SCRIPTS
from harness.tests import Scratch, load, printed, run

prove = load(SCRIPTS / "prove")

GOOD = "[main.assertion.1] line 9 x == 1: SUCCESS"
BAD = "[main.assertion.2] line 9 x == 1: FAILURE"
SHIFT = "[f.undefined-shift.1] line 9 shift distance too large in 1 << x: FAILURE"
PROVED, REFUTED = "VERIFICATION SUCCESSFUL", "VERIFICATION FAILED"


class Prove(Scratch):
    def test_verdict(self):
        for want, *said in (("proved", GOOD, PROVED), ("refuted", GOOD, BAD, REFUTED),
                            ("refuted", GOOD, SHIFT, REFUTED),
                            # what follows on a broken rule of C is not known
                            ("refuted", GOOD, SHIFT, BAD.replace("FAILURE", "UNKNOWN"), REFUTED),
                            # nothing is stated, not done, or cut off
                            ("neither", PROVED), ("neither", ""), ("neither", GOOD),
                            ("neither", GOOD, SHIFT.replace("FAILURE", "UNKNOWN"), PROVED),
                            ("neither", GOOD, BAD, SHIFT.replace("FAILURE", "ERROR"), REFUTED),
                            ("neither", SHIFT.replace("FAILURE", "SUCCESS"), PROVED),
                            # the bound, or a function that is not there
                            ("neither", GOOD,
                             "[f.unwind.0] line 9 unwinding assertion loop 0: FAILURE", REFUTED),
                            ("neither", GOOD, BAD,
                             "[main.no-body.g] line 9 no body for callee g: FAILURE", REFUTED)):
            self.assertEqual(prove.verdict("\n".join(said) + "\n"), want, said)

    def ask(self, lines, code=None, name="cbmc", unwind="1", a="1",
            text="int main(void) { return A; }\n"):
        """The verdict on a proof. @lines: what the program says, in sh; @code: how it ends"""
        self.file("kernel.h", "")
        self.file("x.c", text)
        if code is None:
            code = {PROVED: 0, REFUTED: 10}.get(lines[-1], 1)
        program = self.program(name, f"echo '{chr(10).join(lines)}'\nexit {code}")
        return prove.cbmc(program, self.top / "x.c", self.top / "x.log", unwind, {"A": a})

    def test_runs(self):
        """What the program says and how it ends have to agree, in time."""
        good, bad = (GOOD, PROVED), (GOOD, BAD, REFUTED)
        for n, (lines, code, seconds, want) in enumerate((
                (good, 0, 300, "proved"), (good, 6, 300, "neither"), (good, 10, 300, "neither"),
                (bad, 10, 300, "refuted"), (bad, 0, 300, "neither"),
                # what only waits has time
                ((*good, "' && sleep 2; echo '"), 0, 1, "proved"),
                ((*good, "' && while :; do :; done; echo '"), 0, 1, "neither"))):
            prove.SECONDS, prove.CACHED = seconds, self.top / str(n)
            self.assertEqual(self.ask(lines, code).split(":")[0], want, (lines, code))
        self.assertEqual(self.ask(good, text="#error no\n"), "gcc failed")

    def test_kept(self):
        """What was decided is not asked again, though it would be another verdict now, until the
        text, the macros, the bound or the program is another one."""
        prove.SECONDS, prove.CACHED = 300, self.top / "kept"
        good, bad = (GOOD, PROVED), (GOOD, BAD, REFUTED)
        for lines, want, changed in (
                ((GOOD,), "neither: exit code 1", {}), (good, "proved", {}),
                (bad, "proved", {}), (bad, "refuted", {"unwind": "2"}),
                (bad, "refuted", {"a": "2"}), (bad, "refuted", {"name": "other"}),
                (bad, "proved", {"text": "/* why */\n\nint main(void)\n{ return A; }\n"}),
                (bad, "refuted", {"text": "int main(void) { return -A; }\n"})):
            self.assertEqual(self.ask(lines, **changed), want, changed)
        # what is cut off is no verdict
        for file in prove.CACHED.iterdir():
            file.write_text(GOOD)
        self.assertEqual([self.ask(good), self.ask(bad)], ["proved", "proved"])

    def test_controls(self):
        good = (" * each: A=1,2 B=3\n * each: A=4\n * unwind: 2\n *\n * control: f g(any)\n * "
                "control: f A=2\n")
        first, second = {"A": "1", "B": "3"}, {"A": "2", "B": "3"}
        self.assertEqual(prove.controls(good), [("f", first), ("g(any)", first), ("f", second)])
        self.assertEqual(prove.controls("/* nothing */\n"), [])
        for old, new in (("control: f g", "controls: f g"), ("control: f A", "control f A"),
                         ("f A=2", "A=2"), ("f A=2", "f A=2 g"), ("f A=2", "f A=5"),
                         ("f A=2", "f A=4 B=3"), (" * control: f A", " *  control: f A"),
                         ("g(any)", "g(all)"), ("each: A=1", "each A=1"),
                         ("unwind: 2", "unwind: two"), ("unwind: 2", "unwind: 2 f.0")):
            self.assertEqual(good.count(old), 1, old)
            with self.assertRaises(ValueError, msg=new):
                prove.controls(good.replace(old, new))

    def test_mutated(self):
        """Compiled, with any_bool() as a switch: what is called does nothing or what it does, with
        what it was given or other numbers."""
        text = ("static _Bool any_bool(void);\nstatic int seen, *at;\nstatic int f(int a, const "
                "char *s);\n# 1 \"x.c\"\n"
                "static inline int\nf(int a,\n  const char *s)\n{\n\tif (a)\n\t\tseen = a + "
                "*s;\n\treturn 7;\n}\n"
                "int g(void)\n{\n\tseen = 1;\n\treturn 7;\n}\nstatic void h(int n)\n{\n\tseen = "
                "n;\n}\n"
                "static _Bool any_bool(void)\n{\n\treturn DOES;\n}\n"
                "int main(void) { int was; at = &was; CALL; return __builtin_printf(\"%d\", seen); "
                "}\n")
        for wrong, call, done in (("f", 'f(2, "\\1")', "3"), ("g", "g()", "1"), ("h", "h(5)", "5"),
                                  ("f(any)", 'f(2, "\\1")', ""), ("h(any)", "h(5)", "")):
            made = prove.mutated(text, wrong)
            self.assertEqual(made.count("\n"), text.count("\n"))
            source = self.file("x.c", made)
            for does in (0, 1):
                printed("gcc", "-w", f"-DDOES={does}", f"-DCALL={call}", source, "-o",
                        self.top / "x")
                said = run(self.top / "x")[1]
                if done or not does:
                    self.assertEqual(said, done if does else "0", (wrong, does))
        self.assertIn("any_a", prove.mutated(text, "f(any)"))
        self.assertNotIn("any_s", prove.mutated(text, "f(any)"))
        self.assertRaises(ValueError, prove.mutated, text, "k")
        self.assertRaises(ValueError, prove.mutated, text + "int g(void)\n{\n}\n", "g")

    def test_each_statement_fails_once(self):
        for second, lines, want in ((BAD, [BAD], 0), (BAD, [SHIFT], 1),
                                    (BAD.replace("2", "3").replace("x == 1", "y"), [BAD], 1),
                                    (BAD.replace("main", "f"), [BAD], 1),
                                    (BAD, [BAD.replace("main", "real_main")], 0),
                                    (BAD, [BAD.replace("FAILURE", "UNKNOWN")], 1),
                                    (BAD, [BAD.replace("line 9", "line 10")], 0)):
            self.file("a.log", f"{second.replace('FAILURE', 'SUCCESS')}\n")
            self.file("b.log", "\n".join(lines) + "\n")
            futures = []
            for verdict in ("proved", "refuted"):
                futures.append(concurrent.futures.Future())
                futures[-1].set_result(verdict)
            with (mock.patch.object(prove, "OUT", self.top),
                  contextlib.redirect_stdout(io.StringIO()) as said):
                failed = prove.judge("x", [("a", "proved", futures[0]),
                                           ("b", "refuted", futures[1])])[1]
            self.assertEqual(failed, want, (second, lines, said.getvalue()))
