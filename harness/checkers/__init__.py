"""One checker per property id."""
