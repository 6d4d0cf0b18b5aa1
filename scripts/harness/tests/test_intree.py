# SPDX-License-Identifier: GPL-2.0-only
"""scripts/release/into-tree: what it writes, what it leaves, and what it refuses."""
import re
import shutil
import subprocess

from harness.paths import ROOT, SCRIPTS
from harness.tests import Scratch

KERNEL = {
    "Makefile": "VERSION = 7\nPATCHLEVEL = 2\n",
    "MAINTAINERS": "F:\tdrivers/vfio/vfio_iommu_spapr_tce.c\nF:\tvirt/\n",
    "drivers/vfio/Kconfig": "config VFIO_IOMMU_SPAPR_TCE\n\ttristate\n\tdepends on "
    "SPAPR_TCE_IOMMU\n\tdefault VFIO\nendif\n",
    "drivers/vfio/Makefile": "obj-$(CONFIG_VFIO_IOMMU_SPAPR_TCE) += vfio_iommu_spapr_tce.o\n",
    "drivers/vfio/vfio.h": "struct vfio_iommu_driver_ops {\n};\n",
    "drivers/vfio/vfio_iommu_spapr_tce.c": "/* the kernel's own */\n",
}


class IntoTree(Scratch):
    def kernel(self, **changes):
        """A source of a kernel, as far as it matters."""
        shutil.rmtree(self.top)
        for path, text in {**KERNEL, **changes}.items():
            self.file(path, text)
        return self.top

    def files(self, top):
        return {str(path.relative_to(top)): path.read_text() for path in top.rglob("*")
                if path.is_file()}

    def run_it(self, *args):
        done = subprocess.run([SCRIPTS / "release/into-tree", *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def test_written(self):
        """All of it, without anything of compat/; once more, nothing."""
        linux = self.kernel()
        self.assertEqual(self.run_it(linux)[0], 0)
        compat = "".join(path.read_text() for path in (ROOT / "compat").glob("*.h"))
        own = {*re.findall(r"\b((?:spapr_)?tce_\w+)\(", compat)} - {
            # The kernel's, with other arguments
            *re.findall(r"^#define (\w+)\([^)]*\)[\s\\]*\1\(", compat, re.M)}
        self.assertGreater(len(own), 5)
        for name, text in self.files(linux).items():
            self.assertNotRegex(text, rf"\b({'|'.join(own)}|compat|LINUX_VERSION_CODE)\b", name)
        self.assertIn(": 0 files written", self.run_it(linux)[1])

    def test_refused(self):
        for name, text, said in (("Makefile", "VERSION = 6\n",
                                  "is no source of Linux 7.0 or newer"),
                                 ("drivers/vfio/vfio.h", "", "has no struct vfio_iommu_driver_ops"),
                                 ("drivers/vfio/Kconfig", "", "drivers/vfio/Kconfig does not say")):
            linux = self.kernel(**{name: text})
            before = self.files(linux)
            code, output = self.run_it(linux)
            self.assertEqual((code, output.count("\n"), said in output), (2, 1, True), output)
            self.assertEqual(self.files(linux), before)
        self.assertEqual(self.run_it("/nowhere")[0], 2)
