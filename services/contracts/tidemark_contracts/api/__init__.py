"""The HTTP routes of the contracts service."""
