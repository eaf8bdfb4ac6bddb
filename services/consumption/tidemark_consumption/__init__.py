"""Consumption counts: worklog events become projections and balances."""
