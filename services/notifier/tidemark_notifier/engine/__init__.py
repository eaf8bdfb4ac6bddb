"""The shell around the pure evaluation: events, rule changes and time in, notifications out."""
