# SPDX-License-Identifier: GPL-2.0-only
"""scripts/clients: the table, and what a program of the kernel's suite has to do for its tests."""
import re

from harness.paths import SCRIPTS
from harness.tests import Scratch, load, printed

command = load(SCRIPTS / "clients")

REPORT = "echo TAP version 13; echo 1..3; echo '# RUN x'; echo ok 1 a.b.c"
REST = "; echo 'ok 2 a.b.d # SKIP no huge pages'; echo ok 3 a.b.e"
END = "Linux: ends the boot without a complaint"


class Clients(Scratch):
    def cells(self, text: str) -> dict[str, str]:
        return command.cells(self.file("log", f"\nVM-START\nKTAP version 1\n{text}\nVM-END\n"), 0)

    def test_table(self) -> None:
        """Of both drivers, and why a test fails"""
        ours = self.cells("ok 1 - A 1: moves: up\nok 2 - B: waits # SKIP no wire\n1..2")
        intree = self.cells("not ok 1 - A 1: moves: up # leaves 9 pages pinned\n1..2")
        self.assertEqual(command.table(ours, intree), [
            ("A 1", "moves: up", "FAILED: leaves 9 pages pinned", "ok"),
            ("B", "waits", "-", "skipped: no wire"),
            (*END.split(": "), "FAILED: 2 results were announced, 1 came", "ok")])
        self.assertIn("complained", command.cells(self.top / "log", command.console.SPLAT)[END])

    def suite(self, program: str) -> list[str]:
        """What becomes of a program of the suite: how each of its tests went."""
        function = re.search(r"^suite\(\) \{\n.*?^\}$",
                             (SCRIPTS / "guest/clients.sh").read_text(), re.M | re.S)[0]
        self.program("7.2/program", program)
        function = function.replace("/tmp/", f"{self.top}/").replace(" /suite/", f" {self.top}/")
        report = printed("sh", "-c",
                         f". {SCRIPTS}/guest/lib.sh\n{function}\nsuite it\necho 1..$nth")
        return [f"{test.split(': ')[1]}: {said}" for test, said in self.cells(report).items()]

    def test_suite(self) -> None:
        good = ["a.b.c: ok", "a.b.d: skipped: no huge pages", "a.b.e: ok"]
        end = f"{END.split(': ')[1]}: "
        self.assertEqual(self.suite(REPORT + REST), [*good, end + "ok"])
        self.assertEqual(self.suite((REPORT + REST).replace("ok 3", "not ok 3")),
                         [*good[:2], "a.b.e: FAILED", end + "ok"])
        for program in (REPORT + REST + "; exit 1", "", "echo 1..0", "kill -SEGV $$"):
            self.assertIn("program ends well: FAILED: exit code", str(self.suite(program)), program)
        for program in (REPORT, REPORT + "; kill -SEGV $$", (REPORT + REST).replace("1..3", "")):
            self.assertIn(end + "FAILED: ", str(self.suite(program)), program)
