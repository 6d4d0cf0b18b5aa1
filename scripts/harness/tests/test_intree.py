# SPDX-License-Identifier: GPL-2.0-only
"""scripts/release/into-tree: what it writes, which the kernel into-tree builds, and what it
refuses."""
import subprocess

from harness.paths import SCRIPTS
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
    def run_it(self, **changes):
        """On a source of a kernel, as far as it matters: (exit code, what it said)"""
        for path, text in {**KERNEL, **changes}.items():
            self.file(path, text)
        return self.again()

    def again(self):
        done = subprocess.run([SCRIPTS / "release/into-tree", self.top], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def files(self):
        return {str(path.relative_to(self.top)): path.read_text()
                for path in self.top.rglob("*") if path.is_file()}

    def test_written(self):
        """Nothing that asks which kernel it is; once more, nothing."""
        self.assertEqual(self.run_it()[0], 0)
        for name, text in self.files().items():
            self.assertNotRegex(text, r"\b(compat|LINUX_VERSION_CODE)\b", name)
        self.assertIn(": 0 files written", self.again()[1])

    def test_refused(self):
        """What is no source of such a kernel, with one line that says why; nothing is changed."""
        for name, text, said in (("Makefile", "VERSION = 6\n",
                                  "is no source of Linux 7.0 or newer"),
                                 ("drivers/vfio/vfio.h", "", "has no struct vfio_iommu_driver_ops"),
                                 ("drivers/vfio/Kconfig", "", "drivers/vfio/Kconfig does not say")):
            code, output = self.run_it(**{name: text})
            self.assertEqual((code, output.count("\n"), said in output), (2, 1, True), output)
            self.assertEqual(self.files(), {**KERNEL, name: text})
