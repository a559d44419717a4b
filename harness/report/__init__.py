"""Reports of a drill."""
