"""From the log to figures: one projector a database folds what consumers appended."""
