"""The server of a run, and what it is made of."""

from tests.support.served import fast_run_, packed_, run_, served_, start_

__all__ = ["fast_run_", "packed_", "run_", "served_", "start_"]
