# SPDX-License-Identifier: GPL-2.0-only
"""scripts/into-tree: what it writes, what it leaves, and what it refuses."""
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from tce import intree as tree
from tce import module
from tce.paths import ROOT, SCRIPTS

KERNEL = {
    "Kbuild": "# the kernel's\n",
    "Makefile": "# SPDX\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 13\n",
    "MAINTAINERS": "VFIO\nF:\tdrivers/vfio/\nF:\tdrivers/vfio/vfio_iommu_spapr_tce.c\nF:\tvirt/\n",
    "drivers/vfio/Kconfig": "if VFIO_CONTAINER\nconfig VFIO_IOMMU_SPAPR_TCE\n\ttristate\n\tdepends on SPAPR_TCE_IOMMU\n"
                            "\tdefault VFIO\nendif\n",
    "drivers/vfio/Makefile": "obj-$(CONFIG_VFIO) += vfio.o\nobj-$(CONFIG_VFIO_IOMMU_SPAPR_TCE) += vfio_iommu_spapr_tce.o\n",
    "drivers/vfio/vfio.h": "struct vfio_iommu_driver_ops {\n};\n",
    "drivers/vfio/vfio_iommu_spapr_tce.c": "/* the kernel's own */\n",
}
COMPAT = {"list.h": "static inline size_t list_count_nodes(struct list_head *head)\n{\n\treturn f(head);\n}\n",
          "vfio_ops.h": "struct vfio_iommu_driver_ops {\n};\n",
          "own.h": "static inline int tce_take(struct a *a)\n{\n\treturn g(a);\n}\n#else\n"
                   "static inline int tce_take(struct a *a)\n{\n\treturn 0;\n}\n\n"
                   "static inline void\ntce_give(struct a *a)\n{\n}\n\nstatic inline void spapr_tce_need(void) {}\n#endif\n"}


class IntoTree(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.tmp = Path(tmp.name)
        self.linux = self.kernel("linux")

    def kernel(self, name):
        """A source of a kernel, as far as it matters."""
        for path, text in KERNEL.items():
            (self.tmp / name / path).parent.mkdir(parents=True, exist_ok=True)
            (self.tmp / name / path).write_text(text)
        return self.tmp / name

    def files(self, top):
        return {str(path.relative_to(top)): path.read_text() for path in top.rglob("*") if path.is_file()}

    def run_it(self, *args):
        """The command: (exit code, what it says)"""
        done = subprocess.run([SCRIPTS / "into-tree", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def test_what_is_written(self):
        self.assertEqual(self.run_it(self.linux)[0], 0)
        have = self.files(self.linux)
        self.assertNotIn(tree.OLD, have)
        ours = {name.removeprefix(f"{tree.PLACE}/"): text for name, text in have.items() if name.startswith(tree.PLACE)}
        self.assertGreater(len(ours), 80)
        for name, text in ours.items():
            self.assertNotRegex(text, "compat|LINUX_VERSION_CODE|spapr_tce_iommu_ops|tce_ownership", name)
        self.assertIn('\n#include "../vfio.h"\n', ours["face.c"])
        self.assertIn('\n#include "../../vfio.h"\n', ours["kunit/tce_wrap.h"])
        # what is built is what Kbuild builds, and all of it is there
        objects = module.objects((ROOT / "Kbuild").read_text())
        self.assertEqual(list(module.objects(ours["Makefile"])), list(objects))
        self.assertLessEqual({name.replace(".o", ".c") for name in objects}, set(ours))
        suites = {f"kunit/{path.name}" for path in ROOT.glob("kunit/*.[ch]") if not path.name.endswith(".mod.c")}
        self.assertLessEqual(suites, set(ours))
        named = set(re.findall(r"\btce_\w+", ours["Makefile"][ours["Makefile"].index("ifdef"):]))
        self.assertEqual(named, {Path(name).stem for name in suites if name.endswith(".c")} | {"tce_wrap"})

    def test_files_of_the_kernel(self):
        self.run_it(self.linux)
        have = self.files(self.linux)
        self.assertEqual(have["drivers/vfio/Kconfig"],
                         KERNEL["drivers/vfio/Kconfig"].replace("endif", '\nsource "drivers/vfio/spapr_tce/Kconfig"\nendif'))
        self.assertEqual(have["drivers/vfio/Makefile"], KERNEL["drivers/vfio/Makefile"].replace("vfio_iommu_spapr_tce.o", "spapr_tce/"))
        self.assertEqual(have["MAINTAINERS"], KERNEL["MAINTAINERS"].replace("vfio_iommu_spapr_tce.c", "spapr_tce/"))
        for name in ("Kbuild", "Makefile", "drivers/vfio/vfio.h"):
            self.assertEqual(have[name], KERNEL[name])

    def test_again(self):
        self.run_it(self.linux)
        def seen():
            return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in self.linux.rglob("*") if path.is_file()}
        before = seen()
        code, said = self.run_it(self.linux)
        self.assertEqual((code, said), (0, f">> into-tree: 0 files written in {self.linux}\n"))
        self.assertEqual(seen(), before)

    def test_of_an_older_version(self):
        self.run_it(self.linux)
        place = self.linux / tree.PLACE
        for name in ("tce_gone.c", "kunit/tce_gone_kunit.c", "face.o", "vfio_iommu_spapr_tce.mod.c"):
            (place / name).write_text("x\n")
        (place / "tce_map.c").write_text("older\n")
        self.assertIn("1 files written", self.run_it(self.linux)[1])
        self.assertEqual({path.name for path in place.rglob("*") if path.is_file() and path.read_text() == "x\n"},
                         {"face.o", "vfio_iommu_spapr_tce.mod.c"})

    def test_other_names_of_a_file(self):
        """The source may be a copy whose files are those of another one."""
        subprocess.run(["cp", "-al", self.linux, self.tmp / "copy"], check=True)
        self.run_it(self.tmp / "copy")
        self.assertEqual(self.files(self.linux), KERNEL)

    def test_refused(self):
        for name, text, said in (("Makefile", None, "No such file"), ("Makefile", "all:\n", "is no source of Linux 7.0 or newer"),
                                 ("Makefile", "VERSION = 6\nPATCHLEVEL = 19\n", "is no source of Linux 7.0 or newer"),
                                 ("drivers/vfio/vfio.h", "", "has no struct vfio_iommu_driver_ops"),
                                 ("drivers/vfio/vfio.h", None, "No such file"),
                                 ("drivers/vfio/Kconfig", "config VFIO_IOMMU_SPAPR_TCE\n\tbool\n", "drivers/vfio/Kconfig does not say"),
                                 ("drivers/vfio/Kconfig", None, "No such file"),
                                 ("drivers/vfio/Makefile", KERNEL["drivers/vfio/Makefile"] * 2, "vfio/Makefile does not say, once")):
            shutil.rmtree(self.linux)
            self.kernel("linux")
            (self.linux / name).unlink()
            if text is not None:
                (self.linux / name).write_text(text)
            before = self.files(self.linux)
            code, output = self.run_it(self.linux)
            self.assertEqual((code, output.count("\n")), (2, 1), output)
            self.assertIn(said, output)
            self.assertIn("nothing was changed", output)
            self.assertEqual(self.files(self.linux), before)
        self.assertEqual(self.run_it(self.tmp / "nowhere")[0], 2)
        self.assertEqual(self.run_it()[0], 2)


class Compat(unittest.TestCase):
    def without(self, text, name="tce_a.c", **more):
        return tree.without_compat(name, text, {**COMPAT, **{key.replace("_h", ".h"): value for key, value in more.items()}})

    def test_does_nothing(self):
        self.assertEqual(tree.no_ops(COMPAT), {"tce_take": "int", "tce_give": "void", "spapr_tce_need": "void"})

    def test_includes(self):
        text = '#define A\n\n#include "compat/own.h"\n\n#include <b.h>\n\n#include "compat/vfio_ops.h"\n#include "c.h"\n'
        self.assertEqual(self.without(text), '#define A\n\n#include <b.h>\n\n#include "../vfio.h"\n#include "c.h"\n')
        self.assertEqual(self.without('#include "../compat/vfio_ops.h"\n', "kunit/a.h"), '#include "../../vfio.h"\n')

    def test_calls(self):
        text = "\treturn TCE_REFUSE_BY(A,\n\t\ttce_take(a->b));\n\ttce_give(a->b);\n\tlist_count_nodes(a);\n\tspapr_tce_need();\n"
        self.assertEqual(self.without(text), "\treturn 0;\n\tlist_count_nodes(a);\n")

    def test_left(self):
        for text in ("\tif (tce_take(a))\n", "\trc = tce_take(a);\n", "\tf = tce_give;\n", "/* see tce_give() */\n",
                     "\t#include <compat/own.h>\n", "/* compat */\n"):
            with self.assertRaises(tree.Refused, msg=text):
                self.without(text)

    def test_does_something(self):
        """A function of compat/ has come to do something on new kernels."""
        with self.assertRaises(tree.Refused):
            self.without("\ttce_give(a->b);\n", own_h="static inline void\ntce_give(struct a *a)\n{\n\tf(a);\n}\n")

    def test_kunitconfig(self):
        lines = tree.kunitconfig().splitlines()
        options = [re.sub(r"^# |[= ].*", "", re.sub("^# ", "", line)) for line in lines[1:]]
        self.assertEqual(len(options), len(set(options)))
        for line in ("CONFIG_KUNIT=y", "CONFIG_VFIO=y", "CONFIG_VFIO_IOMMU_SPAPR_TCE_KUNIT_TEST=y"):
            self.assertIn(line, lines)


if __name__ == "__main__":
    unittest.main()
