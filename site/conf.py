"""How Sphinx makes the site of what build.py has put together; nothing of it is fetched, when made or when read."""

from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

import immunomon

project = "immunomon"
version = release = immunomon.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
smartquotes = False  # what is quoted is to be typed or searched for as it stands
myst_all_links_external = False
suppress_warnings = ["myst.header"]  # a page of generated sections may begin at a lower level

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"immunomon {version}"
html_static_path = ["_static"]
html_css_files = ["look.css"]
html_extra_path = ["_extra"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
pygments_style = "friendly"
lexers["csv"] = TextLexer()
