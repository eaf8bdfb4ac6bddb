"""Tables and queries of the notifier."""
