# SPDX-License-Identifier: GPL-2.0-only
"""Pictures of what "make bench" has measured, as SVG that is readable without colour."""
import re
from collections.abc import Iterator, Sequence

from harness.cli import die

# {host: {what is measured: (in-tree, ours)}}
Figures = dict[str, dict[str, tuple[float, float]]]
# What two bars are of, and their values
Row = tuple[str, tuple[float, float]]
HOSTS = {"powernv9, 6.12-4k": "PowerNV", "pseries, 6.12-4k": "partition"}
DRIVERS = (("in-tree", "#ccc"), ("this module", "#444"))
WIDTH, LEFT, TOP, THICK = 810, 230, 60, 13


def bars(title: str, rows: Sequence[Row]) -> str:
    """A bar for each value of each row, with the value at its end."""
    def text(x: float, y: float, words: str, more: str = "") -> str:
        return f'<text x="{x:.0f}" y="{y:.0f}"{more}>{words}</text>'

    def bar(x: float, y: float, wide: float, colour: str) -> str:
        return (f'<rect x="{x}" y="{y}" width="{wide:.1f}" height="{THICK}" fill="{colour}" '
                'stroke="#000"/>')

    most = max(value for _, values in rows for value in values)
    parts, y = [], TOP
    for n, (name, colour) in enumerate(DRIVERS):
        parts += [bar(LEFT + 120 * n, 36, 14, colour), text(LEFT + 22 + 120 * n, 47, name)]
    for label, values in rows:
        parts.append(text(LEFT - 10, y + 5 + THICK * len(values) / 2, label,
                          ' text-anchor="end"'))
        for value, (_, colour) in zip(values, DRIVERS):
            wide = value / most * (WIDTH - LEFT - 80)
            parts += [bar(LEFT, y, wide, colour),
                      text(LEFT + wide + 6, y + THICK - 2, f"{value:,.0f}", ' font-size="12"')]
            y += THICK
        y += 8
    return "\n".join((f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
                      f'width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="13">',
                      "<!-- SPDX-License-Identifier: GPL-2.0-only. Made by make results -->",
                      f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>',
                      text(10, 22, title, ' font-weight="bold" font-size="14"'), *parts, "</svg>",
                      ""))


def figures(said: str) -> Figures:
    """What the command has said."""
    found: Figures = {}
    for line in map(str.strip, said.splitlines()):
        if re.fullmatch(r"\w+, [\w.-]+", line):
            of_host = found.setdefault(line, {})
        elif m := re.match(r"(.*\S) {2,}([\d.,]+) +([\d.,]+)(?: |$)", line):
            of_host[m[1]] = (float(m[2].replace(",", "")), float(m[3].replace(",", "")))
    return found


def measured(found: Figures, rows: dict[str, str]) -> Iterator[Row]:
    """On each host. @rows: {label: what was measured}"""
    for host, place in HOSTS.items():
        for label, what in rows.items():
            if what not in found.get(host, {}):
                die(f"make bench has no figure for {what} ({host})")
            yield f"{place}: {label}", found[host][what]


def pictures(page: str) -> Iterator[tuple[str, str]]:
    """The names of files, and what is in them, of a page of results."""
    found = figures(page.partition("``make bench``")[2])
    calls = ("REGISTER", "MAP", "UNMAP")
    yield "cost-regions.svg", bars(
        "Instructions of a call for one page: 64 regions, or many (in-tree 4,096, this module "
        "65,536)",
        list(measured(found, {f"{call}, {n}": f"v2 {call} of a page with {n} regions"
                              for call in calls for n in ("64", "many")})))
    yield "cost-tce.svg", bars(
        "Instructions per TCE in calls of 4 MiB, and in a guest's hypercalls",
        list(measured(found, {
            **{f"{version} {call}": f"{version} {call} of 4 MiB scattered per TCE"
               for version in ("v1", "v2") for call in calls[1:]},
            **{call: f"guest 4K on 4K {call} per TCE"
               for call in ("H_PUT_TCE_INDIRECT", "H_STUFF_TCE")}})))
