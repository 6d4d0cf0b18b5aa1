# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nightly/wrong-modules: what has seen a control, and that each control is what it says."""
from harness import module, sources
from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch, load, printed, run
from harness.vm import console

wrong = load(SCRIPTS / "nightly/wrong-modules")

ROW, OTHER = "dma: v1: first", "dma: v2: second"
NOTE = "# dma.c:1: !can_write(t, base(t), mem) is not true\n"


def report(*results, before=""):
    lines = "".join(f"{result} {n} user: {row}\n" for n, (result, row) in enumerate(results, 1))
    return f"VM-START\nKTAP version 1\n1..{len(results)}\n{before}{lines}\nVM-END\n"


class WrongModules(Scratch):
    def unseen(self, text, words=wrong.REACHED, code=console.FAIL):
        return wrong.unseen(wrong.Control("powernv9", "x.c", "f", "", (ROW, OTHER), words), code,
                            "\n" + text)

    def test_unseen(self):
        """Each test has to fail, and for that reason; or the kernel has to say so."""
        both = (("not ok", ROW), ("not ok", OTHER))
        poison, begun = "[    9.000000] pagealloc: memory corruption\n", "# round 1: 2 groups\n"
        for words, text, missed in (
                (wrong.REACHED, report(*both, before=NOTE), []),
                (wrong.REACHED, report(*both), [ROW, OTHER]),
                (wrong.REACHED, report(both[0], ("ok", OTHER), before=NOTE), [OTHER]),
                (wrong.REACHED, report(both[0], before=NOTE), [OTHER]),
                (wrong.POISON, report(("ok", ROW), ("ok", OTHER), before=poison), []),
                (wrong.POISON, report(("ok", ROW), before=poison), [OTHER]),
                (wrong.POISON, report(*both, before=NOTE), [ROW, OTHER]),
                (wrong.ANY, begun + poison, []), (wrong.ANY, begun + NOTE, []),
                (wrong.ANY, poison + begun, [ROW, OTHER]), (wrong.ANY, NOTE + begun, [ROW, OTHER]),
                (wrong.ANY, report(*both, before=begun), [ROW, OTHER])):
            self.assertEqual(self.unseen(text, words), missed, (words, text))
            for code in (console.PASS, console.TIMEOUT):
                self.assertEqual(self.unseen(text, words, code), [ROW, OTHER])

    def test_controls(self):
        """Each changes the module, as its sources are today, and its tests are there."""
        listed = set(sources.tests(repeats=True))
        for name, control in wrong.CONTROLS.items():
            text = (ROOT / control.file).read_text()
            self.assertNotEqual(module.changed(text, control.function, control.inside,
                                               control.behind), text, name)
            self.assertIn(control.place, wrong.PLACES)
            self.assertLessEqual(set(control.rows), listed)
        with self.assertRaises(ValueError):
            module.changed("another text", control.function, control.inside)
        with self.assertRaises(ValueError):
            module.changed(text, control.function, "#define nobody_calls_it() 0\n")

    def test_changed(self):
        """The macros are in force in the function alone."""
        text = ("static int g(int i)\n{\n\treturn i;\n}\n\n/* f() { */\nstatic int "
                "f(void)\n{\n\treturn g(1);\n}\n\n"
                "int main(void)\n{\n\treturn f() * g(3);\n}\n")
        source = self.file("x.c", module.changed(text, "f", "#define g(i) (g(i) + 1)\n",
                                                 "#define f() (f() + 5)\n"))
        printed("gcc", source, "-o", self.top / "x")
        self.assertEqual(run(self.top / "x")[0], (2 + 5) * 3)
