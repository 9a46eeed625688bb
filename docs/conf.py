"""How the documentation is built: `make docs` (see docs/adr/0013-documentation-site.md)."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_site"))

project = "popnas"
author = "The popnas developers"
project_copyright = "The popnas developers, Apache-2.0"
version = release = version_of("popnas")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generated",  # docs/_site/generated.py
]
source_suffix = {".md": "markdown"}
# Sphinx has a page `search` of its own: algorithm.md shows what stands in search.md.
exclude_patterns = ["_site", "search.md"]

# In docstrings one backtick is code, as in Markdown.
default_role = "literal"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
add_module_names = False
napoleon_numpy_docstring = False
napoleon_attr_annotations = False

myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]
myst_heading_anchors = 4

# Commands show no highlighting errors where they hold placeholders.
highlight_language = "none"

html_theme = "furo"
html_title = f"popnas {version}"
html_static_path = ["_site/static"]
html_css_files = ["popnas.css"]
html_search_scorer = str(Path(__file__).parent / "_site" / "scorer.js")
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7db4f0", "color-brand-content": "#7db4f0"},
    "footer_icons": [],
}
