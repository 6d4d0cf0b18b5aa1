# SPDX-License-Identifier: GPL-2.0-only
"""scripts/image/build-module: what lies in out/ is used for these very sources only."""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness.paths import ROOT

ENV = "NAME=x\nKDIR={0}/kernel\nARCH=powerpc\nCROSS_COMPILE=\nCOMPILER=CC=gcc\nTOOLCHAIN=host\n"
MAKEFILE = "modules:\n\techo built >>{0}/log\n\tcat $(M)/*.c >$(M)/vfio_iommu_spapr_tce.ko\n"


class Build(unittest.TestCase):
    def test_once(self):
        with tempfile.TemporaryDirectory() as name:
            top = Path(name)
            for file in ("scripts/image/build-module", "scripts/lib.sh", "kernel/Makefile",
                         "compat/a.h", "kunit/a.c", "Kbuild", "a.c", "a.h"):
                (top / file).parent.mkdir(parents=True, exist_ok=True)
                if file.startswith("scripts"):
                    shutil.copy(ROOT / file, top / file)
                else:
                    (top / file).write_text(file)
            (top / "kernel/Makefile").write_text(MAKEFILE.format(top))
            (top / "env").write_text(ENV.format(top))

            def builds(*more):
                (top / "log").write_text("")
                done = subprocess.run([top / "scripts/image/build-module", top / "env", *more],
                                      stdout=subprocess.PIPE, text=True, check=True)
                self.assertIn("a.c", Path(done.stdout.strip()).read_text())
                return len((top / "log").read_text().splitlines())

            self.assertEqual([builds(), builds(), builds("W=1"), builds("W=1"), builds()],
                             [1, 0, 1, 1, 0])
            for file in ("Kbuild", "a.c", "a.h", "compat/a.h", "env"):
                (top / file).write_text((top / file).read_text() + "#\n")
                self.assertEqual([builds(), builds()], [1, 0], file)
            # the suites have a place of their own
            self.assertEqual([builds("TCE_KUNIT=1"), builds("TCE_KUNIT=1"), builds()], [1, 0, 0])
            (top / "kunit/a.c").write_text("changed")
            self.assertEqual([builds("TCE_KUNIT=1"), builds()], [1, 0])
            # with the same module
            (top / "a.c").write_text("a.c again")
            self.assertEqual([builds("TCE_KUNIT=1"), builds(), builds()], [1, 0, 0])
            self.assertIn("a.c again", (top / "out/x/vfio_iommu_spapr_tce.ko").read_text())
            (top / "a.c").write_text("a.c")
            self.assertEqual(builds(), 1)
