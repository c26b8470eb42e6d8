"""Whatever words and bytes a command is given: they are taken as they are, or one line."""

import contextlib
import io

from hypothesis import example, given
from hypothesis import strategies as st

from imdb_cls import cli, evaluate, predict
from imdb_cls.errors import one_line, printable
from tests.support.anything import REVIEWS, TEXTS, VALUES, refusal

KEYS = st.sampled_from(["run", "input", "text", "separator", "batch_size", "negative", "--run"])
WORDS = st.lists(TEXTS | st.tuples(KEYS, VALUES).map("=".join), max_size=4)


@given(WORDS)
@example(["run=a", "batch_size=" + "9" * 5000])
@example(["run=a", "batch_size=²"])
@example(["run=a", "negative=[1,", "positive=1]"])
def test_any_words_are_taken_or_refused(words: list[str]) -> None:
    for schema, free in ((predict.Arguments, "texts"), (evaluate.Arguments, None)):
        found: list[object] = []
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
            refusal(
                lambda s=schema, f=free, to=found: to.append(cli.arguments(s, words, "usage", f))
            )
        for given_words in found:
            if isinstance(given_words, evaluate.Arguments):
                refusal(lambda a=given_words: a.layout)


@given(st.lists(REVIEWS.filter(lambda text: "=" not in text and not text.startswith("-"))))
def test_texts_are_taken_as_they_are(texts: list[str]) -> None:
    for words in (["run=a", *texts], [*texts, "run=a"], ["run=a", "--", *texts]):
        assert cli.arguments(predict.Arguments, words, "usage", "texts").texts == texts


LINE = REVIEWS.filter(lambda text: "\n" not in text and "\r" not in text)


@given(st.lists(LINE, min_size=1), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n\n"]))
def test_every_line_of_standard_input_is_a_review(lines: list[str], end: str, last: str) -> None:
    found: list[str] = []
    stream = io.BytesIO((end.join(lines) + last).encode())
    if refusal(lambda: found.extend(predict.lines(stream))) is None:
        assert found == lines
    else:  # nearly all of it is NUL, as of a text in UTF-16
        assert "\0" in lines[0]


@given(st.binary(max_size=200))
def test_any_standard_input_is_read_or_refused(content: bytes) -> None:
    refusal(lambda: list(predict.lines(io.BytesIO(content))))


@given(st.text(max_size=400), st.integers(20, 300))
def test_what_is_said_is_one_line_without_control_characters(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert 0 < len(line) <= limit
    assert len(line.splitlines()) == 1
    for shown in (line, printable(text)):
        shown.encode()
        assert not {c for c in shown if (c < " " and c not in "\t\n\r") or "\x7f" <= c < "\xa0"}
