# SPDX-License-Identifier: GPL-2.0-only
"""scripts/release/into-tree: what it writes, what it leaves, and what it refuses."""
import shutil
import subprocess

from harness.paths import SCRIPTS
from harness.tests import Scratch, load

tree = load(SCRIPTS / "release/into-tree")

KERNEL = {
    "Makefile": "VERSION = 7\nPATCHLEVEL = 2\n",
    "MAINTAINERS": "F:\tdrivers/vfio/vfio_iommu_spapr_tce.c\nF:\tvirt/\n",
    "drivers/vfio/Kconfig": "config VFIO_IOMMU_SPAPR_TCE\n\ttristate\n\tdepends on "
    "SPAPR_TCE_IOMMU\n\tdefault VFIO\nendif\n",
    "drivers/vfio/Makefile": "obj-$(CONFIG_VFIO_IOMMU_SPAPR_TCE) += vfio_iommu_spapr_tce.o\n",
    "drivers/vfio/vfio.h": "struct vfio_iommu_driver_ops {\n};\n",
    "drivers/vfio/vfio_iommu_spapr_tce.c": "/* the kernel's own */\n",
}
COMPAT = {"own.h": "static inline int tce_take(struct a *a)\n{\n\treturn g(a);\n}\n#else\n"
                   "static inline int tce_take(struct a *a)\n{\n\treturn 0;\n}\n\n"
                   "static inline void\ntce_give(struct a *a)\n{\n}\n#endif\n"}


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
        """All of it, without what is for old kernels; once more, nothing."""
        linux = self.kernel()
        self.assertEqual(self.run_it(linux)[0], 0)
        for name, text in self.files(linux).items():
            self.assertNotRegex(text, "LINUX_VERSION_CODE|spapr_tce_iommu_ops|tce_ownership", name)
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

    def test_compat(self):
        """What does nothing on new kernels goes; whatever else is left of compat/ is refused."""
        text = ('#include "compat/own.h"\n\tif (tce_take(a->b))\n\t\treturn '
                'A;\n\ttce_give(a->b);\n\treturn 0;\n')
        self.assertEqual(tree.without_compat("tce_a.c", text, COMPAT), "\treturn 0;\n")
        does = {"own.h": COMPAT["own.h"].replace("{\n}", "{\n\tf(a);\n}")}
        for text, compat in (("\trc = tce_take(a);\n", COMPAT), ("/* see tce_give() */\n", COMPAT),
                             ("\ttce_give(a->b);\n", does)):
            with self.assertRaises(tree.Refused, msg=text):
                tree.without_compat("tce_a.c", text, compat)
