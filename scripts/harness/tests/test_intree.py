# SPDX-License-Identifier: GPL-2.0-only
"""scripts/release/into-tree: what it refuses. The kernels into-tree-* build what it writes."""
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
    def test_refused(self):
        """What is no source of such a kernel, with one line that says why; nothing is changed."""
        for name, text, said in (("Makefile", "VERSION = 6\n",
                                  "is no source of Linux 7.0 or newer"),
                                 ("drivers/vfio/vfio.h", "", "has no struct vfio_iommu_driver_ops"),
                                 ("drivers/vfio/Kconfig", "", "drivers/vfio/Kconfig does not say")):
            kernel = {**KERNEL, name: text}
            for path, content in kernel.items():
                self.file(path, content)
            done = subprocess.run([SCRIPTS / "release/into-tree", self.top],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual((done.returncode, done.stdout.count("\n"), said in done.stdout),
                             (2, 1, True), done.stdout)
            self.assertEqual({str(path.relative_to(self.top)): path.read_text()
                              for path in self.top.rglob("*") if path.is_file()}, kernel)
