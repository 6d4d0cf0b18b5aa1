# SPDX-License-Identifier: GPL-2.0-only
"""scripts/litmus: what the kernel's scripts are asked and answer, and programs that do not fit the
sources."""
import os

from harness.paths import SCRIPTS
from harness.tests import Scratch, load

litmus = load(SCRIPTS / "litmus")


class Litmus(Scratch):
    text = ("C x\n\n(*\n * code: tce_a.c f smp_mb [barrier], h\n *)\n\n{}\n\n"
            "P0(int *a)\n{\n\tWRITE_ONCE(*a, 1);\n\tsmp_mb(); // control barrier: drop // control "
            "two: smp_wmb();\n}\n\nexists (a=0)\n")
    source = ("/* litmus/x.litmus says more. */\nstatic int f(int i)\n{\n\ta =\n\t  1;\n\t/* a "
              "comment */\n\tsmp_mb();\n\treturn b;\n}\n"
              "\nstatic void h(void)\n{\n}\n")

    def wrong(self, text=text, source=source, reasons="", name="x"):
        return litmus.mismatches({name: text}, {"tce_a.c": source}, reasons)

    def test_answers(self):
        for want, seen, code, good in (("Never", "Never 0 3", 0, True),
                                       ("Never", "Never 0 3", 253, False),
                                       ("Never", "Sometimes 1 3", 0, False),
                                       ("Never", "Sometimes 1 3", 253, False),
                                       ("Sometimes", "Sometimes 1 3", 0, True),
                                       ("Sometimes", "Sometimes 1 3", 253, True),
                                       ("Sometimes", "Never 0 3", 253, False),
                                       ("Sometimes", "Never 0 3", 1, False),
                                       ("Sometimes", "Sometimes 1 3", 124, False),
                                       ("Never", "", 0, False)):
            path = self.file("x.litmus", f"C x\n(* Result: {want} *)\n")
            self.program("scripts/checklitmus.sh",
                         f"echo '{seen and f'Observation x {seen}'}' >$1.out\nexit {code}")
            self.assertEqual(litmus.run(path, self.top, os.environ)[0], good, (want, seen, code))

    def test_fits(self):
        self.assertEqual(self.wrong(), [])
        # The text is free: other names, lines, and places in the file.
        for old, new in (("a =\n\t  1;", "c = d ?\n\t\t2 :\n\t\t3;"), ("(int i)", "(int\n\t\t j)"),
                         ("smp_mb();", "smp_mb\n\t\t();")):
            self.assertIn(old, self.source)
            self.assertEqual(self.wrong(source=self.source.replace(old, new)), [], new)
        self.assertEqual(self.wrong(source="\n".join(reversed(self.source.split("\n\n")))), [])
        for old, new in (("smp_mb();", "smp_wmb();"), ("smp_mb();", "smp_mb(); smp_mb();"),
                         ("f(int", "k(int"),
                         ("\tsmp_mb();", "\t/* smp_mb(); */"), ("void h", "void k"),
                         ("litmus/x.litmus", "x"), ("litmus/x", "litmus/y"),
                         ("return b;", "return xchg(&b, 1);")):
            self.assertIn(old, self.source)
            self.assertTrue(self.wrong(source=self.source.replace(old, new)), new)
        for old, new in ((" [barrier]", ""), ("[barrier]", "[other]"), ("// control", "//"),
                         ("smp_mb [barrier]", "[barrier]"), ("code:", "kernel:"), (", h", " h"),
                         (", h", ",h")):
            self.assertIn(old, self.text)
            self.assertTrue(self.wrong(self.text.replace(old, new)), new)
        # One that has a reason has no control.
        self.assertEqual(self.wrong(source=self.source.replace("return b;", "xchg(&b, 1);"),
                                    reasons="tce_a.c f xchg: it counts\n"), [])
        self.assertTrue(self.wrong(name="z"))
        self.assertTrue(litmus.mismatches({}, {}, ""))
