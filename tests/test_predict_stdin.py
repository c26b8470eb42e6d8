"""What `python -m imdb_cls.predict` reads from its standard input."""

import io
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imdb_cls import predict as command_module
from imdb_cls.errors import UserError
from imdb_cls.predict import Arguments, predict


def test_a_mark_before_the_first_line_and_empty_last_lines_are_no_text() -> None:
    typed = io.BytesIO(b"\xef\xbb\xbfgood\r\n bad \n\n \n\r\n")
    assert list(command_module.lines(typed)) == ["good", " bad "]


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        (b"good\nbad\n\xff\xfe\n", "line 3 of standard input: not UTF-8"),
        (b"good\n\nbad\n", "line 2 of standard input is empty"),
        (b"", "no reviews on standard input"),
        (b"\n \n\n", "no reviews on standard input"),
        ("good\nbad\n".encode("utf-16"), "standard input: UTF-16, and not lines of text"),
        (b"\x1f\x8b\x08\x00", "standard input: compressed with gzip"),
    ],
)
def test_bad_standard_input_is_one_line_and_exit_code_2(
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: bytes,
    part: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
    monkeypatch.setattr(sys, "argv", ["predict", f"run={trained}"])
    with pytest.raises(SystemExit) as end:
        command_module.main()
    lines = capsys.readouterr().err.splitlines()
    assert (end.value.code, len(lines)) == (2, 1)
    assert lines[0].startswith("error: ")
    assert part in lines[0]


@pytest.mark.parametrize("given", [{}, {"texts": ["-"]}, {"input": "-"}], ids=str)
def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\nbad\n")))
    assert list(command_module.reviews(Arguments(run="run", **given))) == ["good", "bad"]


def test_a_dash_among_texts_is_a_text() -> None:
    assert list(command_module.reviews(Arguments(run="run", texts=["-", "b"]))) == ["-", "b"]


def test_bytes_that_are_not_utf8_are_refused_before_a_line_is_written(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\nbad\n\xff\n")))
    with pytest.raises(UserError, match="not UTF-8"):
        predict(Arguments(run=str(trained)))
    assert capsys.readouterr().out == ""


def test_texts_need_no_standard_input(fast_run: Path) -> None:
    """As under cron or `<&-`, where there is none: only a process of Python's own begins so."""
    words = [sys.executable, "-m", "imdb_cls.predict", f"run={fast_run}", "good"]
    line = f"exec {shlex.join(words)} <&-"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"label", "score"}
