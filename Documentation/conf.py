# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx: scripts/docs puts the documents of the tree, and the API, below one directory."""

import os

project = "vfio_iommu_spapr_tce"
author = "its authors"
root_doc = "Documentation/index"
extensions = ["myst_parser"]
if "KERNEL_DOC" in os.environ:      # by scripts/docs
    extensions.append("kerneldoc")
    kerneldoc_bin, kerneldoc_srctree, kerneldoc_verbosity = os.environ["KERNEL_DOC"], os.environ["srctree"], 1
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
primary_domain = "c"
highlight_language = "none"
# Attributes of the kernel's C which the parser does not know.
c_id_attributes = ["__always_inline", "__cold", "__iomem", "__user"]

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
