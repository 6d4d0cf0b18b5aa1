# SPDX-License-Identifier: GPL-2.0-only
"""scripts/check-house finds what does not fit the plan."""
import tempfile
import unittest
from pathlib import Path

from tce import house

KBUILD = """vfio_iommu_spapr_tce-y := face.o tce_upper.o
vfio_iommu_spapr_tce-$(CONFIG_EEH) += tce_lower.o
$(obj)/face.o: $(src)/vfio_iommu_spapr_tce.c FORCE
"""
TOP = "// SPDX\n/*\n * Locks: none.\n *\n * Never fails: none.\n */\n"


class House(unittest.TestCase):
    def wrong(self, **files):
        """What is wrong with a house of such files; the others are as they should be."""
        good = {"vfio_iommu_spapr_tce.c": TOP + '#include "tce_upper.h"\n', "tce_upper.c": TOP + '#include "tce_lower.h"\n',
                "tce_upper.h": "", "tce_lower.c": TOP, "tce_lower.h": "", "Kbuild": KBUILD}
        good["kunit/tce_map_kunit.c"] = "// SPDX\n"
        with tempfile.TemporaryDirectory() as tmp:
            (Path(tmp) / "kunit").mkdir()
            for name, text in {**good, **files}.items():
                if text is not None:
                    (Path(tmp) / name.replace("__", ".")).write_text(text)
            return house.check(Path(tmp))[0]

    def test_good(self):
        self.assertEqual(self.wrong(), [])

    def test_faults(self):
        long = "int f(void)\n{\n" + "\tg();\n" * 58 + "}\n"
        for files, said in (
                ({"tce_lower__h": '#include "tce_upper.h"\n'}, "is above it"),
                ({"tce_lower__c": TOP + '#include "vfio_iommu_spapr_tce.h"\n'}, "is above it"),
                ({"tce_new__c": TOP}, "has no such room"),
                ({"tce_lower__h": '#include "tce_new.h"\n'}, "does not list"),
                ({"tce_lower__c": "// SPDX\n/* a room */\n"}, "Never fails"),
                ({"tce_lower__c": TOP + "x\n" * 600}, "more than 600"),
                ({"tce_lower__c": TOP + long}, "more than 60")):
            self.assertTrue(any(said in text for text in self.wrong(**files)), said)
        self.assertEqual(self.wrong(tce_lower__c=TOP + long.replace("\tg();\n", "", 1)), [])

    def test_suites(self):
        """kunit/ is held to the sizes, to no more; and it has to be there."""
        suite = "kunit/tce_map_kunit.c"
        for text, said in (("x\n" * 601, f"{suite}: 601 lines, more than 600"),
                           ("static void f(struct kunit *test)\n{\n" + "\tg();\n" * 58 + "}\n", f"{suite}: f() has 61 lines, more than 60"),
                           (None, "kunit/: no file")):
            self.assertEqual(self.wrong(**{suite: text}), [said])
        self.assertEqual(self.wrong(**{suite: "x\n" * 600}), [])
        self.assertEqual(self.wrong(**{"kunit/tce_map__h": "x\n" * 601}), ["kunit/tce_map.h: 601 lines, more than 600"])

    def test_missing_room(self):
        self.assertTrue(self.wrong(Kbuild=KBUILD + "vfio_iommu_spapr_tce-y += tce_gone.o\n"))


if __name__ == "__main__":
    unittest.main()
