"""The key=value words of a command: what they fill, and what cannot be meant."""

import pytest

from imdb_cls import cli
from imdb_cls.errors import UserError
from imdb_cls.predict import USAGE, Arguments


def parse(*words: str) -> Arguments:
    return cli.arguments(Arguments, list(words), USAGE, free="texts")


def test_everything_behind_two_dashes_is_text() -> None:
    given = parse("run=r", "good", "--", "input=x", "--", "run=y")
    assert given == Arguments(run="r", texts=["good", "input=x", "--", "run=y"])


def test_a_text_may_hold_an_equals_sign() -> None:
    text = "1 + 1 = 2, and plot=none of it made sense"
    assert parse("run=r", text).texts == [text]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["good"], "run=… is missing. usage:"),
        (["run="], "run= has no value"),
        (["run=r", "batch_size=0"], "batch_size=0 is not a whole number from 1"),
        (["run=r", "batch_size=-1"], "batch_size=-1 is not a whole number from 1"),
        (["run=r", "batch_size=two"], "batch_size=two is not a whole number from 1"),
        (["run=r", "--out=x"], "unknown argument '--out=x'"),
        (["run=r", "batch-size=4"], "unknown argument 'batch-size=4'"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(words: list[str], part: str) -> None:
    with pytest.raises(UserError) as error:
        parse(*words)
    assert part in str(error.value)


def test_help_names_every_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for name in ("run", "input", "text", "output", "device", "precision", "batch_size"):
        assert f"  {name}=" in shown
