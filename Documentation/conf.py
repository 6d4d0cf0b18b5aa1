# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx: scripts/docs puts the documents of the tree below one directory."""
import posixpath
import re

from docutils import nodes
from sphinx.application import Sphinx

project = "vfio_iommu_spapr_tce"
author = "its authors"
root_doc = "Documentation/index"
extensions = ["myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
highlight_language = "none"

html_theme = "alabaster"
html_theme_options = {
    "description": "VFIO for POWER",
    "fixed_sidebar": True,
    "page_width": "min(1240px, 100%)",
    "sidebar_width": "230px",
    "font_size": "16px",
    "font_family": "sans-serif",
    "head_font_family": "sans-serif",
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_show_sourcelink = False
html_show_copyright = False
html_static_path = ["style"]
html_css_files = ["docs.css"]
# Links are written as a forge follows them, to files: page.rst#section.
myst_all_links_external = True


def contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """The list of all pages, by reader, is the table of contents as well."""
    if docname == root_doc:
        source[0] += "".join(
            f"\n.. toctree::\n   :hidden:\n   :caption: {reader}\n\n"
            + "".join(f"   {title} </{page(docname, path)}>\n"
                      for title, path in re.findall(r"`([^`<]+) <([^>]+)>`__", links))
            for reader, links in re.findall(r"^(\w.*)\n=+\n\n((?:[* ] .*\n)+)", source[0], re.M))


def page(docname: str, path: str) -> str:
    """The name that Sphinx has for the page to which a link of another one leads."""
    return posixpath.splitext(posixpath.normpath(
        posixpath.join(posixpath.dirname(docname), path)))[0]


def pages(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Links to pages lead to what Sphinx makes of them."""
    for link in doctree.findall(nodes.reference):
        path, mark, section = link.get("refuri", "").partition("#")
        if path.endswith((".rst", ".md")) and ":" not in path:
            link["refuri"] = (app.builder.get_relative_uri(docname, page(docname, path))
                              + mark + section)


def setup(app: Sphinx) -> None:
    app.connect("source-read", contents)
    app.connect("doctree-resolved", pages)
