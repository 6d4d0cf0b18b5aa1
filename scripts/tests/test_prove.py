# SPDX-License-Identifier: GPL-2.0-only
"""scripts/prove: what counts as proved, what as refuted, and what as neither."""
import concurrent.futures
import contextlib
import io
import shutil
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tce.paths import SCRIPTS
from tests import load

prove = load(SCRIPTS / "prove")

GOOD = "[main.assertion.1] line 9 x == 1: SUCCESS"
BAD = "[main.assertion.2] line 9 x == 1: FAILURE"
SHIFT = "[f.undefined-shift.1] line 9 shift distance too large in 1 << x: FAILURE"
PROVED, REFUTED = "VERIFICATION SUCCESSFUL", "VERIFICATION FAILED"


class Prove(unittest.TestCase):
    def test_verdict(self):
        for want, *said in (("proved", GOOD, PROVED), ("refuted", GOOD, BAD, REFUTED), ("refuted", GOOD, SHIFT, REFUTED),
                            # what follows on a broken rule of C is not known
                            ("refuted", GOOD, SHIFT, BAD.replace("FAILURE", "UNKNOWN"), REFUTED),
                            # nothing is stated, not done, or cut off
                            ("neither", PROVED), ("neither", ""), ("neither", GOOD), ("neither", GOOD),
                            ("neither", GOOD, SHIFT.replace("FAILURE", "UNKNOWN"), PROVED),
                            ("neither", GOOD, BAD, SHIFT.replace("FAILURE", "ERROR"), REFUTED),
                            ("neither", SHIFT.replace("FAILURE", "SUCCESS"), PROVED),
                            # the bound, or a function that is not there
                            ("neither", GOOD, "[f.unwind.0] line 9 unwinding assertion loop 0: FAILURE", REFUTED),
                            ("neither", GOOD, BAD, "[main.no-body.g] line 9 no body for callee g: FAILURE", REFUTED)):
            self.assertEqual(prove.verdict("\n".join(said) + "\n"), want, said)

    def test_runs(self):
        with tempfile.TemporaryDirectory() as tmp:
            top, program = Path(tmp), Path(tmp) / "cbmc"
            (top / "kernel.h").touch()
            (top / "x.c").write_text("int main(void) { return 0; }\n")
            for said, code, seconds, want in ((f"{GOOD}\n{PROVED}", 0, 300, "proved"), (f"{GOOD}\n{PROVED}", 6, 300, "neither"),
                                              (f"{GOOD}\n{BAD}\n{REFUTED}", 10, 300, "refuted"), (f"{GOOD}\n{PROVED}", 10, 300, "neither"),
                                              (f"{GOOD}\n{BAD}\n{REFUTED}", 0, 300, "neither"),
                                              (f"{GOOD}\n{PROVED}\n' && sleep 9 && echo '", 0, 1, "neither")):
                program.write_text(f"#!/bin/sh\necho '{said}'\nexit {code}\n")
                program.chmod(0o755)
                prove.SECONDS, prove.KNOWN = seconds, top / "none"
                shutil.rmtree(top / "none", ignore_errors=True)
                found = prove.cbmc(program, top / "x.c", top / "x.log", "1", {})
                self.assertEqual(found.split(":")[0], want, (said, code, found))
            (top / "x.c").write_text("#error no\n")
            self.assertEqual(prove.cbmc(program, top / "x.c", top / "x.log", "1", {}), "gcc failed")

    def test_kept(self):
        """What was decided is not asked again, until the text, the macros, the bound or the program is another one."""
        with tempfile.TemporaryDirectory() as tmp:
            top, program = Path(tmp), Path(tmp) / "cbmc"
            prove.SECONDS, prove.KNOWN = 300, top / "kept"
            (top / "kernel.h").touch()
            (top / "x.c").write_text("int main(void) { return A; }\n")

            def ask(name="cbmc", unwind="1", a="1"):
                return prove.cbmc(top / name, top / "x.c", top / "x.log", unwind, {"A": a})

            def says(*lines, code=0):
                program.write_text(f"#!/bin/sh\necho '{chr(10).join(lines)}'\nexit {code}\n")
                program.chmod(0o755)

            says(GOOD, code=1)
            self.assertIn("neither", ask())
            says(GOOD, PROVED)
            self.assertEqual(ask(), "proved")
            says(GOOD, BAD, REFUTED, code=10)
            (top / "other").symlink_to(program)
            self.assertEqual([ask(), ask(unwind="2"), ask(a="2"), ask("other"), ask()],
                             ["proved (known)", "refuted", "refuted", "refuted", "proved (known)"])
            # a bound that is a macro is that macro's value
            self.assertEqual([ask(unwind="1 f.0:A", a="7"), ask(unwind="1 f.0:7", a="7")], ["refuted", "refuted (known)"])
            # what is cut off is no verdict
            for file in prove.KNOWN.iterdir():
                file.write_text(GOOD)
            says(GOOD, PROVED)
            self.assertEqual([ask(), ask()], ["proved", "proved (known)"])
            says(GOOD, BAD, REFUTED, code=10)
            (top / "x.c").write_text("/* why */\n\nint main(void)\n{ return A; }\n")
            self.assertEqual(ask(), "proved (known)")
            (top / "x.c").write_text("int main(void) { return -A; }\n")
            self.assertEqual(ask(), "refuted")

    def test_controls(self):
        good = " * each: A=1\n * unwind: 2\n *\n * control a-b: f.c A=1\n *\told\n *\tnew\n"
        self.assertEqual(prove.controls(good), [("a-b", "f.c", " A=1", "old", "new")])
        self.assertEqual(prove.controls("/* nothing */\n"), [])
        self.assertEqual(prove.UNWIND.findall(" * unwind: 2 f.0:3 f.1:4\n"), ["2 f.0:3 f.1:4"])
        for old, new in (("control a-b", "controls a-b"), ("control a-b", "control a b"), (" f.c A=1", ""), ("b: f", "b f"),
                         (" * control", " *  control"), (" *\told\n", ""), (" *\tnew", " *        new"), ("new\n", "new\n *\tnew\n"),
                         ("each:", "each"), ("unwind: 2", "unwind: two"), ("unwind: 2", "unwind: 2 f.0"),
                         (" *\n", " * control a-b: f.c\n *\told\n *\tnew\n")):
            self.assertEqual(good.count(old), 1, old)
            self.assertRaises(ValueError, prove.controls, good.replace(old, new))

    def test_not_understood(self):
        with (tempfile.TemporaryDirectory() as tmp, mock.patch.object(prove, "ROOT", Path(tmp)),
              contextlib.redirect_stdout(io.StringIO()) as said):
            (Path(tmp) / "proofs").mkdir()
            (Path(tmp) / "proofs/x.c").write_text("/*\n * control x\n */\n")
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                self.assertEqual(prove.judge("x", prove.begun(pool, Path("/nowhere"), "x")), (0, 1))
        self.assertTrue(said.getvalue().startswith("FAIL "))

    def test_changed(self):
        self.assertEqual(prove.changed("a = b;\n", "b", "c"), "a = c;\n")
        for old, new in (("x", "y"), ("a", "a"), (" ", "")):
            self.assertRaises(ValueError, prove.changed, "a = b;\n", old, new)

    def test_combinations(self):
        self.assertEqual(prove.combinations(" * each: A=1,2 B=3\n * each: A=4\n"), [{"A": "1", "B": "3"}, {"A": "2", "B": "3"}, {"A": "4"}])
        self.assertEqual(prove.combinations("/* nothing */\n"), [{}])
