# SPDX-License-Identifier: GPL-2.0-only
"""compat/probe: what it finds in headers, and that it finds nothing out where it can't. The builds
for old kernels try the other answers."""
from harness.paths import ROOT
from harness.tests import Scratch, run

COMMON = """typedef _Bool bool; typedef unsigned long size_t;
enum dma_data_direction { NONE }; enum iommu_cap { CAP }; struct iommu_table;
struct iommu_table_group; struct iommu_group; struct device; struct page; struct vm_area_struct;
struct list_head { int x; };
"""
NEW = """struct iommu_table_ops {
	int (*xchg_no_kill)(struct iommu_table *, long, unsigned long *, enum dma_data_direction *);
	int (*set)(struct iommu_table *, long, long, unsigned long, enum dma_data_direction,
		   unsigned long); };
struct iommu_table_group_ops {
	long (*take_ownership)(struct iommu_table_group *, struct device *);
	void (*release_ownership)(struct iommu_table_group *, struct device *); };
struct iommu_ops { bool (*capable)(struct device *, enum iommu_cap); };
int iommu_group_claim_dma_owner(struct iommu_group *, void *);
bool iommu_group_has_isolated_msi(struct iommu_group *);
struct folio;
void unpin_user_folio(struct folio *, unsigned long);
static inline size_t list_count_nodes(struct list_head *head) { return head->x; }
long pin_user_pages(unsigned long, unsigned long, unsigned int, struct page **);
"""


class Probe(Scratch):
    def probe(self, text, compiler=("gcc",)):
        """(exit code, the macros that were found, what was said of errors)"""
        for name in ("linux/vfio.h", "linux/iommu.h", "linux/list.h", "linux/mm.h", "asm/iommu.h"):
            self.file(name, "#pragma once\n#include <all.h>\n")
        self.file("all.h", "#pragma once\n" + COMMON + text)
        code, said, errors = run(ROOT / "compat/probe", *compiler, "-I", self.top)
        return code, [line.split("_HAS_")[1] for line in said.splitlines()
                      if line.startswith("#define")], errors

    def test_new(self):
        known = ["RELEASE_DEVICE", "CLAIM", "CAPABLE_DEVICE", "PLATFORM_DMA", "UNPIN_FOLIO",
                 "LIST_COUNT"]
        self.assertEqual(self.probe(NEW), (0, known, ""))
        self.assertEqual(self.probe(NEW.replace("unsigned long); };", "unsigned long, bool); };")),
                         (0, ["SET_PHYS", *known], ""))

    def refused(self, words, *args, **more):
        status, _, said = self.probe(*args, **more)
        self.assertEqual(status, 1)
        self.assertIn(words, said)

    def test_no_answer(self):
        # a structure without the member: neither answer compiles
        self.refused('struct iommu_table_ops, xchg_no_kill',
                     NEW.replace("(*xchg_no_kill)", "(*xchg)"))
        self.refused("Found: neither", NEW.replace("(*xchg_no_kill)", "(*xchg)"))

    def test_broken_toolchain(self):
        self.refused("no answer can be trusted", NEW, compiler=("false",))
        self.refused("no answer can be trusted", NEW, compiler=("true",))
        self.refused("no answer can be trusted", NEW, compiler=("gcc", "-no-such-option"))
        self.refused("no such compiler", NEW,
                     compiler=("sh", "-c", "echo no such compiler >&2; exit 127"))


class IommuOps(Scratch):
    """compat/iommu_ops.h: a kernel that our blocking domain would not protect is refused."""
    def build(self, found, *flags):
        self.file("found.inc", "".join(f"#define TCE_HAS_{name}\n" for name in found))
        return not run("gcc", "-fsyntax-only", "-x", "c", "-I", self.top, *flags,
                       ROOT / "compat/iommu_ops.h")[0]

    def test_cdev(self):
        self.assertTrue(self.build(("CLAIM", "BACKEND_OWNS")))
        self.assertFalse(self.build(("CLAIM", "BACKEND_OWNS"), "-DCONFIG_VFIO_DEVICE_CDEV=1"))
        self.assertTrue(self.build(("CLAIM",), "-DCONFIG_VFIO_DEVICE_CDEV=1"))
