"""From the logs to totals: one projector per database folds what consumers appended."""
