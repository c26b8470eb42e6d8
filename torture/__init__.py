"""Tries to break the promises of docs/reliability.md: python -m torture [seed=N] [kills=N]"""
