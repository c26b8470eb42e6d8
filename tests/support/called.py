"""Commands that tests call in their own process, which has the libraries loaded."""

import contextlib
import importlib
import io
import os
import sys
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from hydra._internal.hydra import Hydra
from jsonschema import Draft202012Validator


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


def _check_once(schema: Any, *arguments: Any, **settings: Any) -> None:
    """The SageMaker SDK has its own schema checked nine times for each request: 0.4 s of 0.45."""
    if id(schema) not in _CHECKED:
        _check_schema(schema, *arguments, **settings)
        _CHECKED[id(schema)] = schema


_CHECKED: dict[int, Any] = {}
_check_schema = Draft202012Validator.check_schema


def _mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> Any:
    """Hydra composes the whole config once more, for its `hydra.mode` alone, which nothing in conf/
    sets: 0.14 s of each command."""
    named = any("hydra.mode" in override for override in overrides)
    return _get_mode(hydra, config_name, overrides) if named else None


_get_mode = Hydra.get_mode


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
        patch.setattr(Draft202012Validator, "check_schema", _check_once)
        patch.setattr(Hydra, "get_mode", _mode)
        try:
            importlib.import_module(module).main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())
