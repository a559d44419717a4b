"""The shipped scenarios: one idea a file."""
