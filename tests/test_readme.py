"""Every training command that the documents show is one that Hydra and the schema take."""

import re
import shlex
from pathlib import Path

import pytest

from imdb_cls.config import parse
from tests.support.configs import composed

ROOT = Path(__file__).parent.parent
TEXTS = "\n".join(p.read_text() for p in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
SHOWN = [re.split("[#`]", rest)[0].strip() for rest in re.findall(r"imdb_cls\.train (.+)", TEXTS)]
# Without flags of Hydra's and placeholders such as <run>, which other tests run for real.
COMMANDS = [
    words.removeprefix("-m ") for words in SHOWN if words and not re.search("--|<|…", words)
]


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_a_shown_command_is_taken(command: str) -> None:
    # Of a sweep, its first values; of a search, what is fixed.
    words = [word for word in shlex.split(command) if "interval(" not in word]
    overrides = [re.sub(r"=([^,\[]*),.*", r"=\1", word) for word in words]
    parse(composed(*overrides))
