"""HTTP routes of intake."""
