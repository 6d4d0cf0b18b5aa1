# SPDX-License-Identifier: GPL-2.0-only
"""The plots of Documentation/performance.rst."""
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tce import figures
from tce.bench.machines import HOSTS
from tce.bench.measured import Figures
from tce.paths import ROOT

DOC = ROOT / "Documentation"

GNUPLOT = """
set terminal svg size {size} font 'sans-serif,13' background '#ffffff'
set output '{out}'
set logscale x 2
set grid
set key {key}
set style line 1 lc rgb '#b5482a' lw 2 pt 5 ps 0.6
set style line 2 lc rgb '#1f5fa8' lw 2 pt 7 ps 0.6
set style line 3 lc rgb '#777777' lw 2 dt 2
set multiplot layout 2,2 title '{title}'
"""


def gnuplot(script: str) -> None:
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def block(label: str, points: Iterable[tuple[float, float | None]]) -> str:
    rows = "\n".join(f"{x} {y}" for x, y in points)
    return f"${label} << END\n{rows}\nEND\n"


def plot_sizes(f: Figures, out: Path, title: str) -> None:
    text = GNUPLOT.format(size="900,700", out=out, title=title, key="top right")
    text += ("set xlabel 'bytes per call'\nset ylabel 'instructions per TCE'\nset logscale y 10\nset yrange [30:6000]\n"
             "set xtics ('4K' 4, '16K' 16, '64K' 64, '256K' 256, '1M' 1024, '4M' 4096, '16M' 16384, '64M' 65536)\n")
    for version in (1, 2):
        for op in ("map", "unmap"):
            data: dict[str, list[tuple[int, float | None]]] = {
                d: [(n >> 10, v) for n, v in f.series(d, op, version, "scattered")] for d in ("intree", "ours")}
            data["floor"] = [(n >> 10, f.floor(op, n)[0]) for n, _ in f.series("floor", "kill", 0, "floor")]
            text += "".join(block(d, points) for d, points in data.items())
            text += (f"set title 'v{version} {op.upper()}'\nplot $intree with linespoints ls 1 title 'in-tree', "
                     "$ours with linespoints ls 2 title 'ours', $floor with lines ls 3 title 'floor'\n")
    gnuplot(text + "unset multiplot\n")


def plot_registrations(f: Figures, out: Path, title: str) -> None:
    text = GNUPLOT.format(size="900,700", out=out, title=title, key="top left")
    text += ("set logscale y 10\nset format y '%.0s%c'\nset yrange [1000:1000000]\n"
             "set xlabel 'registrations'\nset ylabel 'instructions per call'\n")
    for op in ("register", "map", "unmap", "unregister"):
        text += "".join(block(d, f.series(d, op, 2, "registrations")) for d in ("intree", "ours"))
        text += (f"set title '{op.upper()} of one page'\nplot $intree with linespoints ls 1 title 'in-tree', "
                 "$ours with linespoints ls 2 title 'ours'\n")
    gnuplot(text + "unset multiplot\n")


def draw(paths: Sequence[tuple[str, str, Path]]) -> None:
    source = f"source {figures.AT_START}"
    for name, machine, path in paths:
        f = Figures(path)
        pages = name.rsplit("-", 1)[1].upper()
        plot_sizes(f, DOC / f"cost-by-size-{machine}-{pages.lower()}.svg",
                   f"Cost of a TCE, {machine}, {pages} pages, scattered memory, {source}")
        if (name, machine) == HOSTS[0]:
            plot_registrations(f, DOC / "cost-by-registrations.svg",
                               f"Cost by number of registrations, {machine}, {pages} pages, {source}")
