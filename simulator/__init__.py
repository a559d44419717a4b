"""Virtual chargers and their world: everything a CSMS sees, made up and repeatable."""
