"""Imports without a search for garbage, and what of that is left behind."""

import gc
import sys
import weakref
from pathlib import Path

import pytest

from imdb_cls.loading import importing


class _Loop:
    """Garbage that only a search finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "freshly_made.py").write_text("import gc\nSEARCHED = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "freshly_made", raising=False)
    return "freshly_made"


@pytest.mark.parametrize("freeze", [True, False])
def test_nothing_is_searched_meanwhile_and_afterwards_as_before(module: str, freeze: bool) -> None:
    frozen = gc.get_freeze_count()
    with importing(freeze=freeze):
        found = __import__(module)
    assert not found.SEARCHED
    assert gc.isenabled()
    assert (gc.get_freeze_count() > frozen) == freeze


def test_what_a_training_leaves_is_found_later(module: str) -> None:
    left = _Loop()
    watched = weakref.ref(left)
    del left
    with importing(freeze=False):
        __import__(module)
    gc.collect()
    assert watched() is None


def test_where_nothing_is_imported_nothing_is_frozen() -> None:
    frozen = gc.get_freeze_count()
    with importing():
        import json  # noqa: F401
    assert gc.get_freeze_count() == frozen
