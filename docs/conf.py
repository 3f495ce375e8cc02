"""Sphinx: the pages of this folder and the docstrings of the public functions."""

project = "Deepwell"
copyright = "The Deepwell authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "Deepwell"
exclude_patterns = ["_build"]
napoleon_use_ivar = True
autodoc_typehints = "description"
