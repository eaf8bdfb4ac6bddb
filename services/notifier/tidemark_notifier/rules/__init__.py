"""Notification rules: their bodies, the checks of these bodies, and how they are stored."""
