# SPDX-License-Identifier: GPL-2.0-only
"""scripts/litmus: herd7's answers, and tests that do not fit the sources."""
import io
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from tce.litmus import fit, program
from tce.litmus import herd as herd7


class Litmus(unittest.TestCase):
    """herd7's answers, and tests that do not fit the sources."""

    never = "Test x Allowed\nObservation x Never 0 3\n"
    sometimes = "Test x Allowed\nObservation x Sometimes 1 3\n"

    def bad(self, said, variant=None, limit=False, status=0):
        return herd7.judge(limit, variant, said, status)[1]

    def test_verdicts(self):
        self.assertFalse(self.bad(self.never))
        self.assertTrue(self.bad(self.sometimes))
        self.assertFalse(self.bad(self.sometimes, variant="control"))
        self.assertTrue(self.bad(self.never, variant="control"))
        self.assertFalse(self.bad(self.sometimes, limit=True))
        self.assertTrue(self.bad(self.never, limit=True))
        self.assertFalse(self.bad(self.never, variant="mend", limit=True))
        self.assertTrue(self.bad(self.sometimes, variant="mend", limit=True))

    def test_no_verdict(self):
        for variant in None, "control":
            for said in ("", "Warning: x.litmus: syntax error", "Observation x Never 0 0\n", self.never + self.sometimes):
                self.assertTrue(self.bad(said, variant), said)
        self.assertTrue(self.bad(self.never, status=2))
        self.assertTrue(self.bad(self.sometimes, variant="control", status=2))
        self.assertTrue(self.bad(self.never + "Flag data-race\n"))
        self.assertTrue(self.bad(self.never.replace("Never 0 3", "Always 3 0")))

    def run_all(self, tests):
        with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()):
            return herd7.run_all(tests), said.getvalue().splitlines()[-1]

    def test_run(self):
        with tempfile.TemporaryDirectory() as tmp, mock.patch.object(herd7, "OUT", Path(tmp)):
            herd = Path(tmp) / "herd7"
            (Path(tmp) / "model").write_text("none")
            answer = "case $1 in *-barrier.litmus) echo Observation x {} 1 1;; *) echo Observation x Never 0 1;; esac"
            for control, code, last in (("Sometimes", 0, "2 passed, 0 failed"), ("Never", 1, "1 passed, 1 failed")):
                herd.write_text("#!/bin/sh\n" + answer.format(control))
                herd.chmod(0o755)
                with mock.patch.object(herd7, "get_herd", lambda: herd):
                    self.assertEqual(self.run_all([self.made()]), (code, f">> litmus: {last}, 0 skipped"))
                    self.assertEqual(self.run_all([]), (1, ">> litmus: 0 passed, 1 failed, 0 skipped"))
            with mock.patch.object(herd7, "get_herd", lambda: None):
                with redirect_stderr(io.StringIO()):
                    self.assertEqual(herd7.run_all([self.made()]), 2)

    text = """C x

(*
 * code: tce_a.c f
 *\ta = 1;
 *\tsmp_mb();\t[barrier]
 * kernel: lib/b.c g
 *\tb(1, 2);
 *)

{}

P0(int *a)
{
\tWRITE_ONCE(*a, 1);
\tsmp_mb(); // control barrier: drop
}

exists (a=0)
"""
    source = """/* litmus/x.litmus says more. */
static int f(void)
{
\ta = 1;
\t/* a comment */
\tsmp_mb();
\treturn b;
}
"""

    def made(self, text=text, name="x"):
        with tempfile.TemporaryDirectory() as tmp:
            path = Path(tmp) / f"{name}.litmus"
            path.write_text(text)
            return program.Test(path)

    def wrong(self, text=text, source=source, excuses=None, name="x", kernel="void g(int i)\n{\n\tb(1,\n\t  2);\n}\n"):
        return fit.compare([self.made(text, name)], {"tce_a.c": source}, lambda file: kernel, excuses or {})[0]

    def test_fits(self):
        self.assertEqual(self.wrong(), [])
        self.assertEqual(self.wrong(source=self.source.replace("a = 1;", "a =\n\t\t1;")), [])

    def test_source_changed(self):
        for old, new in (("a = 1;", "a = 2;"), ("smp_mb();", "smp_wmb();"), ("f(void)", "h(void)"),
                         ("\tsmp_mb();", "\t/* smp_mb(); */"), ("litmus/x.litmus", "x"), ("litmus/x", "litmus/y"),
                         ("\ta = 1;\n\t/* a comment */\n\tsmp_mb();", "\tsmp_mb();\n\ta = 1;"),
                         ("return b;", "smp_rmb();"), ("return b;", "return xchg(&b, 1);"), ("return b;", "smp_mb();")):
            self.assertIn(old, self.source)
            self.assertTrue(self.wrong(source=self.source.replace(old, new)), new)
        self.assertTrue(self.wrong(kernel=None))
        self.assertTrue(self.wrong(kernel="void g(void)\n{\n\tb(2, 1);\n}\n"))

    def test_test_changed(self):
        for old, new in (("\t[barrier]", ""), (" // control barrier: drop", ""), ("[barrier]", "[other]"),
                         ("control barrier", "mend barrier"), ("C x", "C y"), (" *\tsmp_mb();\t[barrier]\n", ""),
                         ("b(1, 2)", "b(*)"), (" * code", " * limit: tce_a.c words\n * code"),
                         (" * code", " * limit other: tce_a.c more\n * code"),
                         (" * code", " * limit barrier: tce_a.c words\n * code")):
            self.assertIn(old, self.text)
            self.assertTrue(self.wrong(self.text.replace(old, new)), new)
        self.assertTrue(self.wrong(name="z"))
        self.assertEqual(self.wrong(self.text.replace(" * code", " * limit barrier: tce_a.c says more\n * code")), [])

    def test_reasons(self):
        more = self.source.replace("return b;", "smp_rmb();")
        reason = {("tce_a.c", "f", "smp_rmb"): "because"}
        self.assertEqual(self.wrong(source=more, excuses=reason), [])
        self.assertTrue(self.wrong(excuses=reason))
        self.assertEqual(program.reasons("# SPDX\n\ntce_a.c f smp_rmb: because\n"), reason)
        self.assertTrue(fit.compare([], {"tce_a.c": self.source}, lambda file: None, {})[0])

    def test_controls(self):
        self.assertIn("smp_mb();", self.made().text())
        self.assertNotIn("//", self.made().text())
        self.assertNotIn("smp_mb();", self.made().text("barrier"))
        other = self.made(self.text.replace("drop", "smp_wmb(); // control two: drop"))
        self.assertIn("\tsmp_wmb();\n", other.text("barrier"))
        self.assertNotIn("mb();", other.text("two"))

