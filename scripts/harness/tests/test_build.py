# SPDX-License-Identifier: GPL-2.0-only
"""scripts/image/build-module: what lies in out/ is used for these very sources only; and
scripts/lib.sh: nothing goes on after a failure."""
from pathlib import Path

from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch, printed, run

ENV = "NAME=x\nKDIR={0}/kernel\nARCH=powerpc\nCROSS_COMPILE=\nCOMPILER=CC=gcc\nTOOLCHAIN=host\n"
MAKEFILE = "modules:\n\techo built >>{0}/log\n\tcat $(M)/*.c >$(M)/vfio_iommu_spapr_tce.ko\n"


class Build(Scratch):
    def test_once(self):
        for file in ("scripts/image/build-module", "scripts/lib.sh", "scripts/release/version",
                     "dkms.conf"):
            self.file(file, (ROOT / file).read_text()).chmod(0o755)
        for file in ("compat/a.h", "kunit/a.c", "Kbuild", "a.c", "a.h"):
            self.file(file, file)
        self.file("kernel/Makefile", MAKEFILE.format(self.top))
        env = self.file("env", ENV.format(self.top))

        def builds(*more):
            self.file("log", "")
            ko = printed(self.top / "scripts/image/build-module", env, *more)
            self.assertIn("a.c", Path(ko.strip()).read_text())
            return len((self.top / "log").read_text().splitlines())

        self.assertEqual([builds(), builds(), builds("W=1"), builds("W=1"), builds()],
                         [1, 0, 1, 1, 0])
        for file in ("Kbuild", "a.c", "a.h", "compat/a.h", "env"):
            self.file(file, (self.top / file).read_text() + "#\n")
            self.assertEqual([builds(), builds()], [1, 0], file)
        # the suites, which come with the same module
        self.assertEqual([builds("TCE_KUNIT=1"), builds("TCE_KUNIT=1"), builds()], [1, 0, 0])
        self.file("kunit/a.c", "changed")
        self.assertEqual([builds(), builds("TCE_KUNIT=1"), builds()], [0, 1, 0])
        # a module without them is not theirs
        self.file("a.c", "a.c again")
        self.assertEqual([builds(), builds("TCE_KUNIT=1"), builds()], [1, 1, 0])

    def test_failures(self):
        """In a function whose output is taken, or kept in a file"""
        for command in ('x=$(failing)', 'quietly "$0.log" failing', '(quietly "$0.log" failing)'):
            script = self.file("script", f"""
                source {SCRIPTS}/lib.sh
                failing() {{ echo why; false; echo went on; }}
                {command}
                echo reached""")
            code, said, errors = run("bash", script)
            self.assertEqual((code > 0, said), (True, ""), command)
            self.assertEqual(errors, "why\nscript: failing failed\n" * ("quietly" in command))
