"""A run with a fast model, and its archive."""

from tests.support.served import fast_run_, packed_

__all__ = ["fast_run_", "packed_"]
