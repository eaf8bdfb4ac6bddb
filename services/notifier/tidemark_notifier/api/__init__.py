"""The HTTP API of the notifier (SPEC 4)."""
