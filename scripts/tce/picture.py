# SPDX-License-Identifier: GPL-2.0-only
"""The picture of what scripts/demo prints."""
import re
import sys
from collections.abc import Iterator
from html import escape

COLUMN, LINE, MARGIN = 7.23, 16, 14
LAST = "All steps are ok."


def lines_to_draw(text: str) -> list[str]:
    """The lines of the report, without the part about v1."""
    out: list[str] = []
    skipping = False
    for line in text.rstrip().splitlines():
        if re.match(r"v1: ", line):
            out.append("v1: …")
            out.append("")
            skipping = True
        elif re.match(r"v2: ", line):
            skipping = False
        if not skipping:
            out.append(re.sub(r" \(log: .*\)$", "", line.rstrip()))
    return out[1:] if out and not out[0] else out


def draw(lines: list[str]) -> Iterator[str]:
    width = round(max(map(len, lines)) * COLUMN) + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    yield "<!-- SPDX-License-Identifier: GPL-2.0-only -->"
    yield "<!-- made by scripts/draw-demo from what scripts/demo prints -->"
    yield '<style>text{font:12px "DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#1b1f24;white-space:pre}' \
          ".h{font-weight:bold}.ok{fill:#1a7f37;font-weight:bold}.log{fill:#57606a}</style>"
    yield f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6" fill="#f6f8fa" stroke="#d0d7de"/>'
    for n, line in enumerate(lines):
        y = MARGIN + 12 + n * LINE
        kind = "log" if line.startswith("     log:") else "h" if line and not line.startswith(" ") else ""
        if line == LAST:
            kind = "ok"
        body, ok = (line[:-2], "ok") if line.endswith("  ok") else (line, "")
        if body.strip():
            yield f'<text x="{MARGIN}" y="{y}"{f""" class="{kind}" """.rstrip() if kind else ""} xml:space="preserve">' \
                  f"{escape(body.rstrip())}</text>"
        if ok:
            yield f'<text x="{MARGIN + (len(line) - 2) * COLUMN:.0f}" y="{y}" class="ok">ok</text>'
    yield "</svg>"


def main(doc: str) -> int:
    if len(sys.argv) > 1:
        print(doc, file=sys.stderr)
        return 1
    text = sys.stdin.read()
    if LAST not in text or "v2: " not in text:
        print("draw-demo: this is not the report of a demo that worked", file=sys.stderr)
        return 1
    print("\n".join(draw(lines_to_draw(text))))
    return 0

