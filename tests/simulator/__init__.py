"""A simulator: the whole system under virtual time and a seeded schedule, compared with the reference.

A seed is one integer. :mod:`steps` draws its schedule, :mod:`world` runs it, :mod:`life` and the other models of the
tests say what must come out, and :mod:`shrink` looks for the shortest schedule that still fails.
"""
