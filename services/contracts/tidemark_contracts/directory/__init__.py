"""Organizations, teams and rate cards: one implementation for the three resources."""
