# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx: scripts/docs puts the documents of the tree below one directory."""

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
