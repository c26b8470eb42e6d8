"""A process whose lines are read in batches."""

import itertools
import os
from pathlib import Path

import pytest

from launch.rehearsal.process import BoundProcess


def test_every_line_arrives_once_and_in_order() -> None:
    found: list[list[str]] = []
    script = r"for i in $(seq 5000); do echo line $i; done; printf 'a\r\nb\rü\n\nlast' >&2; exit 3"
    process = BoundProcess(["bash", "-c", script], dict(os.environ), found.extend)
    process.join()
    expected = [f"line {i + 1}" for i in range(5000)] + ["a", "b", "ü", "", "last"]
    assert list(itertools.chain(*found)) == expected
    assert process.process.returncode == 3


def test_a_program_that_cannot_be_started_is_an_error_here(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))  # no setpriv, which would start first
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            BoundProcess(["no-such-program"], {}, lambda batches: None)
