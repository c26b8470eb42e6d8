"""What may be written is known before there is anything to write."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.storage import check_writable, may_write


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can see into, with files and directories of our own."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "file").touch()
        (place / "closed").mkdir(mode=0o700)
        (place / "closed/inside").mkdir()
        (place / "read").mkdir(mode=0o555)
        (place / "open").mkdir()
        (place / "open").chmod(0o777)
        yield place


def ordinary(asked: Callable[[], bool]) -> bool:
    """What a user is answered who is neither root nor the owner."""
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        os._exit(int(asked()))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@pytest.mark.parametrize("name", ["file", "new", "new/and/deeper", ".", "closed/inside/new"])
def test_what_is_ours_may_be_written(place: Path, name: str) -> None:
    assert may_write(place / name)
    check_writable(place / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("name", "may"),
    [
        *(("open", True), ("open/new/deeper", True), ("file", False), ("new", False)),
        *(("read/new", False), ("closed", False), ("closed/inside/new", False)),
    ],
)
def test_what_is_anothers_may_be_written_if_it_is_open(place: Path, name: str, may: bool) -> None:
    assert ordinary(lambda: may_write(place / name)) is may


def test_nothing_can_be_made_below_a_file(place: Path) -> None:
    with pytest.raises(UserError, match=r"below/it cannot be written: .*/file is a file: set out"):
        check_writable(place / "file/below/it")
