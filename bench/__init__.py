"""What the fold costs, as ratios within one run: ``python -m bench``."""
