# SPDX-License-Identifier: GPL-2.0-only
"""scripts/release/into-tree: what it writes, which the kernel into-tree builds, and what it
refuses."""
from harness.paths import SCRIPTS
from harness.tests import Scratch, run

KERNEL = {
    "Makefile": "VERSION = 7\nPATCHLEVEL = 2\n",
    "MAINTAINERS": "F:\tdrivers/vfio/vfio_iommu_spapr_tce.c\nF:\tvirt/\n",
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
        code, said, errors = run(SCRIPTS / "release/into-tree", self.top)
        return code, said + errors

    def files(self):
        return {str(path.relative_to(self.top)): path.read_text()
                for path in self.top.rglob("*") if path.is_file()}

    def test_written(self):
        """Once more, nothing, and what is not ours any more is gone."""
        self.assertEqual(self.run_it()[0], 0)
        written = self.files()
        self.assertNotIn("drivers/vfio/vfio_iommu_spapr_tce.c", written)
        for name in ("MAINTAINERS", "drivers/vfio/Makefile"):
            self.assertIn("spapr_tce/", written[name])
        self.file("drivers/vfio/spapr_tce/old.h", "")
        self.assertEqual((self.again()[0], self.files()), (0, written))

    def test_refused(self):
        """What is no source of such a kernel, with one line that says why; nothing is changed."""
        for name, text in (("Makefile", "VERSION = 6\n"), ("drivers/vfio/vfio.h", ""),
                           ("drivers/vfio/Makefile", "")):
            code, output = self.run_it(**{name: text})
            self.assertEqual((code, output.count("\n"), f"{name} is not" in output), (2, 1, True),
                             output)
            self.assertEqual(self.files(), {**KERNEL, name: text})
