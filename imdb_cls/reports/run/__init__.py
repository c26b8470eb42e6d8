"""A run on one page: how good it is, how it got there, where it fails, and what it was."""
