# SPDX-License-Identifier: GPL-2.0-only
"""Follow every link of pages in HTML, to files and to sections of them.

usage: python3 -m harness.links [--forge TREE] DIRECTORY     (--forge: as scripts/docs renders the
       pages of TREE for a forge, which names a section by its heading; what is no page is in TREE)

Exit codes: 0 all of them lead to something, 1 some do not (printed), or there is none.
"""
import posixpath
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.cli import parser, start


class Page(HTMLParser):
    """The links of a page, and the names of what they may lead to."""

    def __init__(self, text: str, forge: bool) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.headings: list[str] = []
        self.forge, self.within = forge, False
        self.feed(text)
        for heading in self.headings:
            name = slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
            again = 0
            while name in self.names:
                again += 1
                name = f"{slug}-{again}"
            self.names.add(name)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := values.get(name))]
        if self.forge and re.fullmatch("h[1-6]", tag):
            self.headings.append("")
            self.within = True
        if not self.forge and (name := values.get("id")):
            self.names.add(name)

    def handle_endtag(self, tag: str) -> None:
        self.within = self.within and not re.fullmatch("h[1-6]", tag)

    def handle_data(self, data: str) -> None:
        if self.within:
            self.headings[-1] += data


def dead(top: Path, forge: Path | None) -> tuple[int, list[str]]:
    """How many links there are, and those that lead nowhere."""
    pages = {str(path.relative_to(top)): Page(path.read_text(), forge is not None)
             for path in top.rglob("*") if path.suffix in (".html", ".rst", ".md")}
    count, found = 0, []
    for name, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            count += 1
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(url.path))
                                      ) if url.path else name
            if path not in pages:
                if url.fragment or not (
                        (top / path).is_file() or forge and (forge / path).exists()):
                    found.append(f"{name}: {link} leads nowhere")
            elif url.fragment and unquote(url.fragment) not in pages[path].names:
                found.append(f"{name}: {link}: there is no such section")
    return count, found


def main(doc: str) -> int:
    p = parser(doc)
    p.add_argument("--forge", type=Path)
    p.add_argument("directory", type=Path)
    args = p.parse_args()
    count, found = dead(args.directory, args.forge)
    for line in found:
        print(line, file=sys.stderr)
    print(f">> links{' on a forge' if args.forge else ''}: {count} followed, {len(found)} dead")
    return int(not count or bool(found))


if __name__ == "__main__":
    start(main, __doc__)
