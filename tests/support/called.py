"""Commands that tests call in their own process, which has the libraries loaded."""

import contextlib
import importlib
import io
import os
import sys
from dataclasses import dataclass
from unittest import mock

import pytest


@dataclass
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of a command that a user's mistake has ended."""
        assert self.code == 2, self
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line


def call(module: str, *words: object) -> Said:
    """Does what `python -m <module> <words>` does."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        mock.patch.dict(os.environ),  # what a command sets there ends with it
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", [module, *map(str, words)])
        try:
            importlib.import_module(module).main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())
