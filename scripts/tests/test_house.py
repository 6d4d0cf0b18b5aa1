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


class Selftests(unittest.TestCase):
    def wrong(self, **files):
        """What is wrong with such test programs; the library's other files are as they should be."""
        good = {f"lib/{room}.c": f'#include "{room}.h"\n' for room in house.LIBRARY}
        good |= {f"lib/{room}.h": "".join(f'#include "{low}.h"\n' for low in house.LIBRARY[i + 1:])
                 for i, room in enumerate(house.LIBRARY)}
        with tempfile.TemporaryDirectory() as tmp:
            for name, text in {**good, **{k.replace("__", "/").replace("_dot_", "."): v for k, v in files.items()}}.items():
                path = Path(tmp) / "selftests" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if text is not None:
                    path.write_text(text)
            return house.check_selftests(Path(tmp))[0]

    def test_good(self):
        self.assertEqual(self.wrong(), [])

    def test_faults(self):
        long = "int f(void)\n{\n" + "\tg();\n" * 58 + "}\n"
        for files, said in (
                ({"lib__result_dot_c": '#include "test.h"\n'}, "selftests/lib/result.c: includes test.h, which is above it"),
                ({"lib__vfio_dot_c": '#include "edu.h"\n'}, "is above it"),
                ({"lib__new_dot_c": ""}, "LIBRARY has no such room"),
                ({"lib__edu_dot_c": None}, "LIBRARY lists edu, which is no file"),
                ({"dma__reach_dot_c": "x\n" * 601}, "selftests/dma/reach.c: 601 lines"),
                ({"abi_dot_c": "x\n" * 601}, "selftests/abi.c: 601 lines"),
                ({"dma__reach_dot_h": long}, "f() has 61 lines")):
            self.assertTrue(any(said in text for text in self.wrong(**files)), said)
        self.assertEqual(self.wrong(abi_dot_c="x\n" * 600, dma__reach_dot_c=long.replace("\tg();\n", "", 1)), [])


if __name__ == "__main__":
    unittest.main()
