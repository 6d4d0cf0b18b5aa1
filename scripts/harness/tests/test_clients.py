# SPDX-License-Identifier: GPL-2.0-only
"""scripts/clients: the table, and what a program of the kernel's suite has to do for its rows."""
import re
import subprocess

from harness.paths import SCRIPTS
from harness.tests import Scratch, load

command = load(SCRIPTS / "clients")

REPORT = "echo TAP version 13; echo 1..3; echo '# RUN x'; echo ok 1 a.b.c"
REST = "; echo 'ok 2 a.b.d # SKIP no huge pages'; echo ok 3 a.b.e"


class Clients(Scratch):
    def test_table(self) -> None:
        said = [">> client|A 1|moves|ours|ok\r\n", ">> A 1: moves, intree\n",
                ">> client|A 1|moves|intree|FAILED\n",
                ">> client|B|waits|ours|skipped: no wire\n"]
        self.assertEqual(command.table(said), [("A 1", "moves", "FAILED", "ok"),
                                               ("B", "waits", "-", "skipped: no wire")])

    def test_brief(self) -> None:
        """Of the kernel's tests what passes is counted, of the others and of what fails nothing is
        left out."""
        one, two = "Linux 1 selftests, default window", "Linux 1 selftests, created window"
        rows = [("B", "waits", "ok", "ok"), ("B", "goes", "ok", "ok"), (one, "a", "ok", "ok"),
                (one, "b", "ok", "ok"), (one, "c", "FAILED", "ok"), (one, "d", "ok", "ok"),
                (two, "a", "ok", "ok")]
        self.assertEqual(list(command.brief(rows)), [*rows[:2], (one, "2 tests", "ok", "ok"),
                                                     rows[4], (one, "1 tests", "ok", "ok"),
                                                     (two, "1 tests", "ok", "ok")])

    def suite(self, program: str) -> list[str]:
        """What clients.sh makes of a program of the suite: how each of its rows went, with the
        counts."""
        functions = re.findall(r"^(?:row|suite)\(\) \{(?: [^\n]* \}|\n.*?^\})$",
                               (SCRIPTS / "guest/clients.sh").read_text(), re.M | re.S)
        self.assertEqual(len(functions), 2)
        self.program("7.2/program", program)
        text = "\n".join([*functions, "suite it"]).replace("/tmp/", f"{self.top}/")
        text = f". {SCRIPTS}/guest/lib.sh\n{text.replace(' /suite/', f' {self.top}/')}"
        done = subprocess.run(["sh", "-c", text], stdout=subprocess.PIPE, text=True, check=True,
                              env={"TCE_DRIVER": "ours", "PATH": "/usr/bin:/bin"})
        rows = command.table(done.stdout.splitlines())
        return [f"{row[1]}: {row[3]}" for row in rows] + [str(command.count(rows))]

    def test_suite(self) -> None:
        self.assertEqual(self.suite(REPORT + REST),
                         ["a.b.c: ok", "a.b.d: skipped: no huge pages", "a.b.e: ok", "(2, 0, 1)"])
        self.assertEqual(self.suite((REPORT + REST).replace("ok 3", "not ok 3"))[2:],
                         ["a.b.e: FAILED", "(1, 1, 1)"])

    def test_suite_that_dies(self) -> None:
        end = "ends well, with all results: FAILED: exit code"
        self.assertEqual(self.suite(REPORT + "; kill -SEGV $$"),
                         ["a.b.c: ok", f"{end} 139, 1 of 3", "(1, 1, 0)"])
        for program, said in ((REPORT + REST + "; exit 1", "1, 3 of 3"), (REPORT, "0, 1 of 3"),
                              ("", "0, 0 of ?"), ("echo 1..0", "0, 0 of 0"),
                              ((REPORT + REST).replace("1..3", ""), "0, 3 of ?")):
            self.assertEqual(self.suite(program)[-2], f"{end} {said}", program)
