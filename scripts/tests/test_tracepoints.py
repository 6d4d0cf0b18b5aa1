# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-tracepoints finds what its page or the suites leave out."""
import subprocess
import tempfile
import unittest
from pathlib import Path

from tce.paths import ROOT, SCRIPTS

CODE = 'int f(int x)\n{\n\treturn x ? TCE_REFUSE(GONE, EINVAL) : TCE_REFUSE_BY(BRIDGE, x);\n}\n'
PAGE = "   * - ``GONE``\n     - EINVAL\n     - it is gone\n   * - ``BRIDGE``\n     - EIO, EPERM\n     - the bridge\n"
SUITE = "\tTCE_REFUSED(fx, GONE, EINVAL,\n\t\t    call());\n\tTCE_MET(fx, BRIDGE);\n"


class Tracepoints(unittest.TestCase):
    def check(self, root: Path) -> tuple[int, str]:
        done = subprocess.run([SCRIPTS / "check-tracepoints", root], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def wrong(self, code: str = CODE, page: str = PAGE, suite: str = SUITE) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            for file, text in (("tce_a.c", code), ("Documentation/tracepoints.rst", page), ("kunit/tce_a_kunit.c", suite)):
                (root / file).parent.mkdir(exist_ok=True)
                (root / file).write_text(text)
            return self.check(root)

    def test_good(self) -> None:
        self.assertEqual(self.wrong()[0], 0)
        self.assertEqual(self.check(ROOT)[0], 0)

    def test_faults(self) -> None:
        for files, said in (({"code": ""}, "nothing is refused"), ({"code": CODE.replace("EINVAL", "EIO")}, "other errnos of GONE"),
                            ({"code": CODE.replace("GONE", "GONE_WITHOUT_A_WORD_OF_IT")}, "too long"),
                            ({"page": PAGE.replace("GONE", "WENT")}, "the page has no GONE"),
                            ({"page": PAGE.replace("GONE", "WENT")}, "there is no check WENT"),
                            ({"suite": SUITE.replace("MET", "ME")}, "BRIDGE is not met"),
                            ({"suite": SUITE.replace("GONE", "WENT")}, "there is no check WENT")):
            with self.subTest(said=said):
                status, output = self.wrong(**files)
                self.assertEqual(status, 1)
                self.assertIn(said, output)
