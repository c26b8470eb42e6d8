"""Sweeps: which trials a command asks for, and who runs them on this machine."""
