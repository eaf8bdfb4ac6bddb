"""Offers (SPEC 10): proposed adjustments that a customer accepts or declines."""
