"""Names and reviews are shown as they are: rich, terminals and browsers obey nothing in them."""

import io
from pathlib import Path

import pytest

from imdb_cls.errors import as_user_error, one_line
from imdb_cls.reports import page
from imdb_cls.storage import replacing, replacing_directory
from imdb_cls.terminal import PlainConsole, Screen, as_table

NAMES = ["reviews [old].csv", "x[/y].csv", "[red]a[/red]", "a:warning:b"]


def shown(*content: object) -> str:
    file = io.StringIO()
    PlainConsole(file=file, width=200, force_terminal=True).print(*content)
    return file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_markup(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert name in shown(name)
    assert name in shown(as_table([{name: "cell", "b": name}], name, boxed=True))
    screen, file = Screen(), io.StringIO()
    screen.console = PlainConsole(file=file, width=200, force_terminal=True)
    screen.warn(name, name)
    screen.rule(name)
    screen.say(name)
    assert file.getvalue().count(name) == 4


def test_control_characters_are_signs_everywhere() -> None:
    evil = "a\x00\x1b[31mb\x9b"
    for text in (shown(as_table([{"review": evil}], evil, boxed=True)), one_line(evil)):
        assert not {"\x00", "\x9b", "\x1b[31m"} & {
            text[i : i + n] for i in range(len(text)) for n in (1, 5)
        }
        assert "␀␛[31m" in text


def test_a_page_has_no_control_characters(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ text }} {{ '<b>\x1b</b>'|safe }}")
    page.write(tmp_path / "out.html", tmp_path, {"text": "a\x00\x1b\u202e"})
    text = (tmp_path / "out.html").read_text()
    assert text == "a␀␛\N{REPLACEMENT CHARACTER} <b>␛</b>"


def test_a_name_that_is_too_long_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011
        (tmp_path / ("n" * 300)).write_text("")
    assert "take a shorter name" in str(as_user_error(caught.value))
    assert "make room" not in str(as_user_error(caught.value))


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    with replacing(tmp_path / ("é" * 125)) as partial:
        partial.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["é" * 125]


def test_files_have_the_umasks_mode_whoever_writes_them(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as partial:
        partial.write_text("")
        partial.chmod(0o600)
    with replacing_directory(tmp_path / "model") as directory:
        (directory / "weights").write_text("")
        (directory / "weights").chmod(0o600)
    (tmp_path / "plain").touch()
    expected = (tmp_path / "plain").stat().st_mode
    assert {(tmp_path / n).stat().st_mode for n in ("file", "model/weights")} == {expected}
