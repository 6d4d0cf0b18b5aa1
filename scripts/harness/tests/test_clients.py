# SPDX-License-Identifier: GPL-2.0-only
"""scripts/clients: the table, and what a program of the kernel's suite has to do for its tests."""
import re

from harness.paths import SCRIPTS
from harness.tests import Scratch, load, printed

command = load(SCRIPTS / "clients")

REPORT = ("echo TAP version 13; echo 1..2; echo '# RUN x'; echo ok 1 a.b.c; "
          "echo 'ok 2 a.b.d # SKIP no huge pages'; ")
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

    def test_suite(self) -> None:
        """What becomes of a program of the suite: one that ends badly, or says nothing, has failed,
        whatever else it says"""
        function = re.search(r"^suite\(\) \{\n.*?^\}$",
                             (SCRIPTS / "guest/clients.sh").read_text(), re.M | re.S)[0]
        function = function.replace("/tmp/", f"{self.top}/").replace(" /suite/", f" {self.top}/")
        linux = "Linux 7.2 selftests, it"
        tests = {f"{linux}: a.b.c": "ok", f"{linux}: a.b.d": "skipped: no huge pages"}
        for program, code, found in ((REPORT, 0, tests), (REPORT + "exit 1", 1, tests),
                                     ("", 1, {})):
            self.program("7.2/program", program)
            report = printed("sh", "-c",
                             f". {SCRIPTS}/guest/lib.sh\n{function}\nsuite it\necho 1..$nth")
            ends = {f"{linux}: program ends well": f"FAILED: exit code {code}"} if code else {}
            self.assertEqual(self.cells(report), {**found, **ends, END: "ok"}, program)
