"""The values that events and APIs share: bodies, days, quantities, codes of violations."""
