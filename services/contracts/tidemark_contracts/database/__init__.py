"""Tables and queries of contracts."""
