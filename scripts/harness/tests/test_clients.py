# SPDX-License-Identifier: GPL-2.0-only
"""guest/clients.sh: what a program of the kernel's suite has to do for its tests."""
import re

from harness import ktap
from harness.paths import SCRIPTS
from harness.tests import Scratch, printed

REPORT = ("echo TAP version 13; echo 1..2; echo '# RUN x'; echo ok 1 a.b.c; "
          "echo 'ok 2 a.b.d # SKIP no huge pages'; ")


class Clients(Scratch):
    def test_suite(self) -> None:
        """One that ends badly, or says nothing, has failed, whatever else it says"""
        function = re.search(r"^suite\(\) \{\n.*?^\}$",
                             (SCRIPTS / "guest/clients.sh").read_text(), re.M | re.S)[0]
        function = function.replace("/tmp/", f"{self.top}/").replace(" /suite/", f" {self.top}/")
        linux = "Linux 7.2 selftests, it"
        tests = {f"{linux}: a.b.c": "pass", f"{linux}: a.b.d": "skip"}
        for program, end, found in ((REPORT, "pass", tests), (REPORT + "exit 1", "FAIL", tests),
                                    ("", "FAIL", {})):
            self.program("7.2/program", program)
            report = printed("sh", "-c", f". {SCRIPTS}/guest/lib.sh\n{function}\n"
                             "echo KTAP version 1\nsuite it\necho 1..$nth")
            ends = {f"{linux}: program ends well": end} if end == "FAIL" else {}
            self.assertEqual(ktap.read(report).results, {**found, **ends}, program)
