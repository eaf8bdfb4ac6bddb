# ruff: noqa: INP001 - a configuration file, not a package
"""Sphinx configuration of the documentation site (`make site`). The source folder is the root of the repository."""

project = "Tidemark"
copyright = "Tidemark contributors, Apache License 2.0"  # noqa: A001 - the name that Sphinx reads
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/adr/*.md", "services/*/README.md"]
html_theme = "furo"
html_title = "Tidemark"
html_copy_source = False

# Anchors as in GitHub, down to level 3; mermaid code blocks become diagrams.
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
# Some examples are excerpts with "…", so a lexer may not accept them.
suppress_warnings = ["misc.highlighting_failure", "myst.header"]
