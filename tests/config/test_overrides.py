"""What a user types as key=value is what the program gets."""

import os
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString

from imdb_cls.config.overrides import readable
from imdb_cls.errors import UserError
from tests.support.configs import composed

NAMES = [
    *("plain.csv", "a b.csv", "reviews [old].csv", "x[y].csv", "[0-9].csv", "[a]", "it's.csv"),
    *('q"q.csv', "a#b.csv", "a=b.csv", "é.csv", "日本.csv", "a,b.csv", "(x).csv", "{x}.csv"),
    *("a&b;c!.csv", "x^y.csv", "`x`.csv", "<x>.csv", "a|b.csv", "100%.csv", "back\\slash.csv"),
    *("end\\", "\\'both", "'quoted.csv'", '"quoted.csv"', " lead.csv", "trail.csv ", "a~b.csv"),
    *("sweep(a,b).csv", "choice(a,b)", "two\nlines.csv", "a\\,b.csv", "''", "$HOME.csv", "@a:b"),
]


def value(word: str) -> Any:
    (read,) = readable([word])
    return OverridesParser.create().parse_override(read).value()


def text(read: object) -> object:
    return read.text if isinstance(read, QuotedString) else read


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_file_is_read_as_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    assert text(value(f"data.train={name}")) == name


@pytest.mark.parametrize("name", [name for name in NAMES if not set(name) & set(",'\"[\\ ")])
def test_a_name_is_read_as_it_is_before_there_is_such_a_file(name: str) -> None:
    assert text(value(f"data.train={name}")) == name


def test_a_name_in_quotes_comes_through_the_composition() -> None:
    words = readable(["data=files", "data.train=it's [a], é=#.csv"])
    assert composed(*words).data.train == "it's [a], é=#.csv"


def test_lists_and_sweeps_are_what_they_were() -> None:
    assert value("data.train=[a.csv,b.csv]") == ["a.csv", "b.csv"]
    assert readable(["-m", "seed=1,2", "x=range(1,3)"]) == ["-m", "seed=1,2", "x=range(1,3)"]
    assert readable(["--config-dir", "é", "seed=1"]) == ["--config-dir", "é", "seed=1"]


def test_the_parts_of_a_list_and_a_sweep_are_read_one_by_one() -> None:
    first, second = value("data.train=[é.csv,b.csv]")
    assert (text(first), second) == ("é.csv", "b.csv")
    (word,) = readable(["-m", "data.text=é,body"])[1:]
    override = OverridesParser.create().parse_override(word)
    assert override.is_sweep_override()
    assert [str(text) for text in override.sweep_string_iterator()] == ["'é'", "body"]


def test_tags_need_no_plus() -> None:
    tags = readable(["backend.tags={team: x}", "backend.tags.cost=a b"])
    found = composed("+backend=sagemaker", *tags).backend.tags
    assert found == {"team": "x", "cost": "a b"}
    assert readable(["tags.team=x"]) == ["++tags.team=x"]


@pytest.mark.parametrize(
    "word",
    [
        *("logger=null", "data=null", "model=1", "logger=[none,null]", "trainer=true"),
        *("experiment=1.5", "sweep={a: 1}", "+backend=null", "data={}", "model=[[distilbert]]"),
        *("logger=none,null", "~logger=null"),
    ],
)
def test_a_group_takes_its_options_alone(word: str) -> None:
    flags = ["-m"] if "," in word and "[" not in word else []
    with pytest.raises(UserError, match=": allowed are ") as caught:
        readable([*flags, word])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["dátá=1", "=1", "é", "a b", "key", "a[0]=1", ""])
def test_what_is_no_key_and_value_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="write key=value"):
        readable([word])


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_a_sweep_may_be_asked_for_among_its_overrides(flag: str) -> None:
    """Hydra would call the words behind the flag unrecognized."""
    assert readable(["seed=1,2", flag, "data=imdb"]) == [flag, "seed=1,2", "data=imdb"]


def test_a_list_longer_than_a_path_can_be_is_read() -> None:
    names = [f"reviews-{number}.csv" for number in range(500)]
    assert os.pathconf("/", "PC_NAME_MAX") < len(",".join(names))
    assert value(f"data.train=[{','.join(names)}]") == names
