"""Tables and queries of consumption."""
