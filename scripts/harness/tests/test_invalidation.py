# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nightly/invalidation: what has seen a control, and that each control is what it says."""
import subprocess

from harness import module, sources
from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch, load

invalidation = load(SCRIPTS / "nightly/invalidation")

ROW, OTHER = "dma: v1: first", "dma: v2: second"
NOTE = "# dma.c:1: !can_write(t, base(t), mem) is not true\n"


def console(*results, before=""):
    lines = "".join(f"{result} {n} user: {row}\n" for n, (result, row) in enumerate(results, 1))
    return f"VM-START\nKTAP version 1\n1..{len(results)}\n{before}{lines}\nVM-END\n"


class Invalidation(Scratch):
    def unseen(self, text, words=invalidation.REACHED):
        return invalidation.unseen(
            invalidation.Control("powernv9", "x.c", "f", "", (ROW, OTHER), words), "\n" + text)

    def test_unseen(self):
        """Each test has to fail, and for that reason."""
        both = (("not ok", ROW), ("not ok", OTHER))
        self.assertEqual(self.unseen(console(*both, before=NOTE)), [])
        self.assertEqual(self.unseen(console(*both)), [ROW, OTHER])
        self.assertEqual(self.unseen(console(("not ok", ROW), ("ok", OTHER), before=NOTE)), [OTHER])
        self.assertEqual(self.unseen(console(("not ok", ROW), before=NOTE)), [OTHER])
        self.assertEqual(self.unseen("", words=invalidation.POISON), [ROW, OTHER])
        self.assertEqual(self.unseen(console(*both, before=NOTE), words=invalidation.POISON),
                         [ROW, OTHER])
        poison = "[    9.000000] pagealloc: memory corruption\n"
        self.assertEqual(self.unseen(console(("ok", ROW), ("ok", OTHER)) + poison,
                                     words=invalidation.POISON), [])
        self.assertEqual(self.unseen(console(("ok", ROW)) + poison, words=invalidation.POISON),
                         [OTHER])

    def test_wrong(self):
        """The module passes only if the tests do that the controls are seen by, and none is skipped
        without need."""
        rows = [row for control in invalidation.CONTROLS.values() if control.machine == "powernv8"
                for row in control.rows]
        good = [("ok", row) for row in dict.fromkeys(rows)]
        for more, faults in (((), 0), ((("ok", "kvm: v2: x # SKIP this host has no KVM"),), 0),
                             ((("ok", "windows: v2: x # SKIP the platform has one window"),), 1)):
            log = self.file("log", f"\n{console(*good, *more)}VM-VERDICT: 0\n")
            self.assertEqual(len(invalidation.wrong("powernv8", log)), faults, more)
            self.file("log", f"\n{console(*good[1:], *more)}VM-VERDICT: 0\n")
            self.assertGreater(len(invalidation.wrong("powernv8", log)), faults, more)

    def test_controls(self):
        """Each changes the module, as its sources are today, and its tests are there; so do the
        gaps of storm-controls."""
        listed = set(sources.tests())
        for name, control in invalidation.CONTROLS.items():
            text = (ROOT / control.file).read_text()
            self.assertNotEqual(module.changed(text, control.function, control.inside,
                                               control.behind), text, name)
            self.assertIn(control.machine, invalidation.MACHINES)
            self.assertLessEqual(set(control.rows), listed)
        for file, *change in load(SCRIPTS / "nightly/storm-controls").GAPS.values():
            text = (ROOT / file).read_text()
            self.assertNotEqual(module.changed(text, *change), text, file)
        with self.assertRaises(ValueError):
            module.changed("another text", control.function, control.inside)
        with self.assertRaises(ValueError):
            module.changed(text, change[0], "#define nobody_calls_it() 0\n")

    def test_changed(self):
        """The macros are in force in the function alone."""
        text = ("static int g(int i)\n{\n\treturn i;\n}\n\n/* f() { */\nstatic int "
                "f(void)\n{\n\treturn g(1);\n}\n\n"
                "int main(void)\n{\n\treturn f() * g(3);\n}\n")
        source = self.file("x.c", module.changed(text, "f", "#define g(i) (g(i) + 1)\n",
                                                 "#define f() (f() + 5)\n"))
        subprocess.run(["gcc", source, "-o", self.top / "x"], check=True)
        self.assertEqual(subprocess.run([self.top / "x"]).returncode, (2 + 5) * 3)
