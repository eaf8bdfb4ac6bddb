"""Pure values that events and APIs share: bodies, calendar, quantities, violation codes."""
