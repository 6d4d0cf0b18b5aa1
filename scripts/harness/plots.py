# SPDX-License-Identifier: GPL-2.0-only
"""Pictures of what "make bench" has measured, and of what tcestat computes, as SVG that is readable
without colour."""
import json
import math
import re
import subprocess
from collections.abc import Iterable, Iterator

from harness.cli import die
from harness.paths import ROOT

# {host: {what is measured: (in-tree, ours)}}
Figures = dict[str, dict[str, tuple[float, float]]]
HOSTS = {"powernv9, 6.12-4k": "PowerNV", "pseries, 6.12-4k": "partition"}
CALLS = {"REGISTER": "M-5-5h10v10h-10z", "MAP": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
         "UNMAP": "M0-6 6 5h-12z"}
# Each in-tree, ours
NAMES = ("in-tree", "this module")
FILLS = ("url(#h)", "#555")
HATCHED = ('<defs><pattern id="h" width="6" height="6" patternUnits="userSpaceOnUse" '
           'patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff"/>'
           '<path d="M0 0V6" stroke="#000" stroke-width="2"/></pattern></defs>')
DASHES = (' stroke-dasharray="7 4"', "")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 810, 420, 80, 250, 50, 60


def figures(said: str) -> Figures:
    """What the command has said."""
    found: Figures = {}
    host = ""
    for line in said.splitlines():
        line = line.strip()
        if m := re.fullmatch(r"(\w+, [\w.-]+)", line):
            host = m[1]
            found[host] = {}
        elif m := re.match(r"(.*\S) {2,}([\d.,]+) +([\d.,]+)(?: |$)", line):
            intree, ours = (float(m[n].replace(",", "")) for n in (2, 3))
            found[host][m[1]] = intree, ours
    return found


def figure(found: Figures, host: str, what: str) -> tuple[float, float]:
    if what not in found.get(host, {}):
        die(f"make bench has no figure for {what} ({host})")
    return found[host][what]


def text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}"{more}>{words}</text>'


def upright(bottom: float, words: str) -> str:
    """What the vertical axis is."""
    y = (TOP + bottom) / 2
    return text(18, y, words, f' text-anchor="middle" transform="rotate(-90 18 {y:.0f})"')


def svg(title: str, parts: Iterable[str]) -> str:
    return "\n".join((f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                      f'width="{WIDTH}" height="{HEIGHT}" '
                      'font-family="sans-serif" font-size="13">',
                      "<!-- SPDX-License-Identifier: GPL-2.0-only. Made by make results -->",
                      f"<title>{title}</title>",
                      f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
                      text(LEFT, 26, title, ' font-weight="bold" font-size="15"'), *parts, "</svg>",
                      ""))


def scale(value: float, low: float, high: float, begin: float, end: float) -> float:
    """Where a value lies on a logarithmic axis."""
    return (begin
            + (math.log(value) - math.log(low)) / (math.log(high) - math.log(low)) * (end - begin))


def series(found: Figures, host: str) -> Iterator[tuple[str, int, list[tuple[float, float]]]]:
    """The call, 0 for in-tree or 1 for ours, and (regions, instructions)."""
    for call in CALLS:
        label = next((what for what in found.get(host, {})
                      if re.match(rf"v2 {call} of a page with [\d,]+ regions \(in-tree",
                                  what)), None)
        if label is None:
            die(f"make bench has no figure for {call} with many regions ({host})")
        ours, intree = (int(n.replace(",", "")) for n in re.findall(r"[\d,]{3,}", label)[:2])
        few, many = (figure(found, host, f"v2 {call} of a page with {n} regions")
                     for n in ("64", "many"))
        for which, most in enumerate((intree, ours)):
            yield call, which, [(64, few[which]), (most, many[which])]


def line(call: str, which: int, x: float, y: float, x2: float, y2: float) -> Iterator[str]:
    """From one mark of a call to another. @which: 0 in-tree, 1 ours"""
    yield (f'<path d="M{x:.1f} {y:.1f}L{x2:.1f} {y2:.1f}" fill="none" stroke="#000" '
           f'stroke-width="1.6"{DASHES[which]}/>')
    for a, b in ((x, y), (x2, y2)):
        yield (f'<path d="{CALLS[call]}" transform="translate({a:.1f} {b:.1f})" '
               f'fill="{("#fff", "#000")[which]}" stroke="#000"/>')


def regions(found: Figures) -> str:
    """What a call for one page costs, against the number of regions that are registered."""
    bottom, right, gap = HEIGHT - BOTTOM, WIDTH - RIGHT, 64
    wide = (right - LEFT - gap) / len(HOSTS)
    parts = []
    for n in (1000, 10_000, 100_000):
        y = scale(n, 1000, 100_000, bottom, TOP)
        parts += [f'<path d="M{LEFT} {y:.0f}H{right}" stroke="#ccc"/>',
                  text(LEFT - 8, y + 4, f"{n:,}", ' text-anchor="end"')]
    parts += [text((LEFT + right) / 2, bottom + 52, "registered regions", ' text-anchor="middle"'),
              upright(bottom, "instructions per call")]
    for number, (host, place) in enumerate(HOSTS.items()):
        left = LEFT + number * (wide + gap)
        parts.append(text(left + wide / 2, bottom + 36, place,
                          ' text-anchor="middle" font-weight="bold"'))
        for n in (64, 4096, 65_536):
            parts.append(text(scale(n, 64, 65_536, left, left + wide), bottom + 18, f"{n:,}",
                              ' text-anchor="middle" font-size="12"'))
        for call, which, points in series(found, host):
            parts += line(call, which, *(at for n, cost in points
                                         for at in (scale(n, 64, 65_536, left, left + wide),
                                                    scale(cost, 1000, 100_000, bottom, TOP))))
    for number, call in enumerate(CALLS):
        for which, name in enumerate(NAMES):
            key = TOP + 20 + 28 * (2 * number + which)
            parts += [*line(call, which, right + 25, key, right + 75, key),
                      text(right + 88, key + 4, f"{call}, {name}")]
    return svg("Cost of a call for one page, with pages of 4K", parts)


def entries(found: Figures) -> str:
    """What an entry of a long call costs, with each version of the interface, and for a guest."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - 20
    rows = {f"{version} {call}": f"{version} {call} of 4 MiB scattered per TCE"
            for version in ("v1", "v2") for call in ("MAP", "UNMAP")}
    rows |= {name: f"guest 4K on 4K {call} per TCE"
             for name, call in (("H_PUT", "H_PUT_TCE_INDIRECT"), ("H_STUFF", "H_STUFF_TCE"))}
    bars = [(place, name, figure(found, host, what))
            for host, place in HOSTS.items() for name, what in rows.items()]
    most = max(max(pair) for _, _, pair in bars)
    step, wide = (right - LEFT) / len(bars), 25
    parts = [HATCHED,
             f'<path d="M{LEFT} {bottom}H{right}" stroke="#000"/>',
             upright(bottom, "instructions per TCE")]
    for n, (place, what, pair) in enumerate(bars):
        x = LEFT + n * step
        for which, cost in enumerate(pair):
            tall = cost / most * (bottom - TOP - 30)
            a = x + 4 + which * (wide + 1)
            parts += [f'<rect x="{a:.1f}" y="{bottom - tall:.1f}" width="{wide}" '
                      f'height="{tall:.1f}" fill="{FILLS[which]}" '
                      'stroke="#000"/>', text(a + wide / 2, bottom - tall - 4, f"{cost:,.0f}",
                                              ' text-anchor="middle" font-size="10"')]
        parts.append(text(x + 5 + wide, bottom + 18, what, ' text-anchor="middle" font-size="11"'))
        if n % len(rows) == 0:
            parts.append(text(x + len(rows) / 2 * step, bottom + 42, place,
                              ' text-anchor="middle" font-weight="bold"'))
    for which, name in enumerate(NAMES):
        x = right - 190 + 100 * which
        parts += [f'<rect x="{x}" y="16" width="14" height="14" fill="{FILLS[which]}" '
                  'stroke="#000"/>', text(x + 20, 28, name)]
    return svg("Cost per TCE in calls of 4 MiB, and in hypercalls", parts)


# What the picture of locked memory compares: words, and the options of "tcestat memlock"
LOCKED = (("guest on PowerNV, 64K", "--mem 16G --maxmem 128G --page 64K --platform powernv"),
          ("guest on PowerNV, 4K", "--mem 16G --maxmem 128G --page 4K --platform powernv"),
          ("guest in a partition, 64K", "--mem 16G --maxmem 128G --page 64K --platform pseries"),
          ("guest in a partition, 4K", "--mem 16G --maxmem 128G --page 4K --platform pseries"),
          ("8 Spyre cards, 64K", "--cards 8 --mem 128G --page 64K --platform pseries"))
LOCKED_FILLS = ("#555", "url(#h)", "#fff")


def locked() -> str:
    """What is locked beside the memory itself, by tcestat's arithmetic."""
    bars = []
    for name, options in LOCKED:
        said = subprocess.run([ROOT / "tools/tcestat", "memlock", "--json", *options.split()],
                              stdout=subprocess.PIPE, check=True).stdout
        # The memory itself; tables; what is not a table. Cards have none of that, but two tables.
        sizes = [part["bytes"] >> 20 for part in json.loads(said)["parts"]]
        bars.append((name, sizes[0], [sizes[-1], sum(sizes[1:-2]), sizes[-2]] if "maxmem" in options
                     else [0, sizes[1], sizes[2]]))
    left, right, step = 210, WIDTH - 190, 58
    most = max(sum(parts) for *_, parts in bars)
    parts = [HATCHED]
    for n, (name, memory, sizes) in enumerate(bars):
        y, x = TOP + 12 + n * step, float(left)
        parts.append(text(left - 10, y + 21, name, ' text-anchor="end"'))
        for size, fill in zip((sizes[1], sizes[2], sizes[0]), LOCKED_FILLS):
            wide = size / most * (right - left)
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="32" fill="{fill}" '
                         'stroke="#000"/>')
            x += wide
        parts.append(text(x + 8, y + 21, f"{sum(sizes):,} MiB beside {memory >> 10:,} GiB"))
    for n, (name, fill) in enumerate(zip(("tables of windows", "KVM's or default tables",
                                          "QEMU's video memory, …"), LOCKED_FILLS)):
        x = left + n * 190
        parts += [f'<rect x="{x}" y="{HEIGHT - 54}" width="14" height="14" fill="{fill}" '
                  'stroke="#000"/>', text(x + 20, HEIGHT - 42, name)]
    parts.append(text(LEFT, HEIGHT - 18, "Guest: 16 GiB, maxmem=128G. Card: a window of 128 GiB. "
                      "4K, 64K: pages of the host's kernel."))
    return svg("Locked memory beside that of the guest or the cards", parts)
