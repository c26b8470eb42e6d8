"""Commands that tests call in their own process, as `python -m` would run them."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

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


Call = Callable[..., Said]
"""`call("imdb_cls.train", "seed=1")` does what `python -m imdb_cls.train seed=1` does, but it
imports nothing twice; see the fixture `call`."""


def called(
    module: str,
    words: tuple[object, ...],
    patch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Said:
    patch.setattr(sys, "argv", [module, *map(str, words)])
    patch.setenv("HYDRA_FULL_ERROR", "1")  # commands set it, and would leave it so
    capfd.readouterr()
    code = 0
    try:
        importlib.import_module(module).main()
    except SystemExit as end:
        code = int(end.code or 0)
    return Said(code, *capfd.readouterr())
