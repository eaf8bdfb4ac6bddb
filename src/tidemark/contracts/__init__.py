"""``tidemark contract``: contracts from files and back as tables, over the public HTTP API alone."""
