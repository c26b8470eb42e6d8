"""Trains, tests and completes one run, and resumes it."""
