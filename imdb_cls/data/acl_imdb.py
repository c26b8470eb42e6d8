"""The Large Movie Review Dataset (Maas et al. 2011) as its authors publish it: the directory
aclImdb of aclImdb_v1.tar.gz from ai.stanford.edu/~amaas/data/sentiment."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import datasets

from imdb_cls.config import DataConfig
from imdb_cls.data.arrow import cached
from imdb_cls.data.reviews import Review, checked_text
from imdb_cls.errors import UserError, missing

# The directory of each label, and the ratings that its reviews may have: none is neutral.
_LABELS = {"neg": (0, range(1, 5)), "pos": (1, range(7, 11))}


def load(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    """`train` and `test` of the directory data.path, the negative reviews first, each by its
    number. Raises UserError if files are missing, or are not what their names say."""
    assert config.path is not None
    parts = datasets.DatasetDict()
    for part in ("train", "test"):
        directory = Path(config.path).expanduser() / part
        files = [found for name in _LABELS for found in _files(directory, name)]
        # Their names hold the ratings, their sizes and times change with them.
        stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file, _ in files]
        key = sha256(json.dumps([str(directory.resolve()), stats]).encode()).hexdigest()
        parts[part] = cached(_reviews(files), cache, "acl_imdb", key)
    return parts


def _files(directory: Path, name: str) -> list[tuple[Path, int]]:
    """The files of one label, in the order of their numbers: 0_9.txt is number 0, rated 9."""
    label, ratings = _LABELS[name]
    place = directory / name
    if not place.is_dir():
        raise UserError(
            f"{place}: {missing(place, 'directory')} data.path is the directory aclImdb"
        )
    numbered: dict[int, Path] = {}
    for file in place.glob("*.txt"):
        named = re.fullmatch(r"(\d+)_(\d+)\.txt", file.name)
        if not named or int(named[2]) not in ratings:
            wanted = f"<number>_<rating {ratings[0]} to {ratings[-1]}>.txt"
            raise UserError(f"{file}: not a name of the data set, which are {wanted}")
        if (number := int(named[1])) in numbered:
            raise UserError(f"{file} and {numbered[number].name} have the same number")
        numbered[number] = file
    # The authors list the address of every review; the numbers have no gaps.
    listed = directory / f"urls_{name}.txt"
    count = len(listed.read_text().splitlines()) if listed.is_file() else len(numbered)
    if absent := set(range(max(count, max(numbered, default=0) + 1))) - numbered.keys():
        raise UserError(
            f"{place}: {len(absent):,} reviews are missing, such as number {min(absent)}: unpack"
            " the archive again"
        )
    return [(numbered[number], label) for number in sorted(numbered)]


def _reviews(files: list[tuple[Path, int]]) -> Iterator[Review]:
    for file, label in files:
        try:
            text = file.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise UserError(f"{file}: not UTF-8 ({error.reason}): unpack it again") from None
        yield Review(checked_text(text, str(file)), label, str(file))
