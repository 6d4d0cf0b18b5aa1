# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of what make bench has measured: each figure is there, and where it belongs."""
import re
import unittest
import xml.etree.ElementTree as ET

from harness import plots
from harness.paths import ROOT

HEAD = "what  in-tree  ours  goal\n"
REGIONS = "".join(f"""\
v2 {call} of a page with 65,536 regions (in-tree 4,096) : 64      9.51  1.07  <= 1.3: met
v2 {call} of a page with 64 regions      {cost:,}  {cost // 2:,}
v2 {call} of a page with many regions  {cost * 10:,}  {cost // 2 + 1:,}
""" for call, cost in (("REGISTER", 8000), ("MAP", 4000), ("UNMAP", 2400)))
TCES = "".join(f"{version} {call} of 4 MiB scattered per TCE  {cost}.5  {cost / 4}  <= 130: met\n"
               for version, cost in (("v1", 400), ("v2", 100)) for call in ("MAP", "UNMAP"))
TCES += "".join(f"guest 4K on 4K {call} per TCE  80  20  <= 1.75 x in-tree: met\n"
                for call in ("H_PUT_TCE_INDIRECT", "H_STUFF_TCE"))
SAID = "\n".join(f"{host}\n{HEAD}{REGIONS}{TCES}" for host in plots.HOSTS)


class Plots(unittest.TestCase):
    def test_regions(self):
        """A line ends where its figures are: ten times as much is half of the axis, and only ours
        goes to its end."""
        said = plots.regions(plots.figures(SAID))
        ET.fromstring(said)
        lines = [tuple(map(float, m))
                 for m in re.findall(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', said)]
        axis = plots.HEIGHT - plots.BOTTOM - plots.TOP
        places, key = (lines[:6], lines[6:12]), lines[12:]
        for (_, y, x2, y2), (_, _, x3, y3) in zip(lines[:12:2], lines[1:12:2]):
            self.assertAlmostEqual(y - y2, axis / 2, 0)
            self.assertLess(x2, x3)
            self.assertGreater(y3, y2)
        for place in places:
            self.assertEqual(len(set(place)), 6)
            self.assertEqual(len({x for x, *_ in place}), 1)
        self.assertEqual(places[0][0][0], plots.LEFT)
        self.assertLess(places[0][1][2], places[1][0][0])
        self.assertEqual(places[1][1][2], plots.WIDTH - plots.RIGHT)
        self.assertEqual(len(key), 6)

    def test_entries(self):
        found = plots.figures(SAID)
        self.assertEqual(found["pseries, 6.12-4k"]["v1 MAP of 4 MiB scattered per TCE"],
                         (400.5, 100))
        said = plots.entries(found)
        ET.fromstring(said)
        tall = [float(h) for h in re.findall(r'width="25" height="([\d.]+)"', said)]
        self.assertEqual(len(tall), 24)
        for intree, ours in zip(tall[::2], tall[1::2]):
            self.assertAlmostEqual(intree / ours, 4, 0)
        self.assertEqual(tall[:12], tall[12:])

    def test_locked(self):
        """The picture of locked memory is as tcestat computes it; make results draws it anew."""
        said = plots.locked()
        ET.fromstring(said)
        self.assertEqual(said, (ROOT / "Documentation/memlock.svg").read_text())

    def test_missing(self):
        """Nothing is drawn of what was not measured."""
        for draw in (plots.regions, plots.entries):
            for said in ("", SAID.replace("UNMAP", "OTHER")):
                with self.assertRaises(SystemExit):
                    draw(plots.figures(said))
