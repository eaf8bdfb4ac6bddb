"""What the fold costs, as ratios within one run, and how far the forecast is off: ``python -m bench``."""
