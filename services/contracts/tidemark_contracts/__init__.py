"""Contracts decides: organizations, teams, contracts and their life."""
