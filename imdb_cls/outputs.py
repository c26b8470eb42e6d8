"""Where predictions go: a table on a terminal, JSON lines in a pipe, csv, jsonl or parquet."""

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from imdb_cls.errors import UserError
from imdb_cls.storage import replacing
from imdb_cls.terminal import as_table

ENDINGS = (".jsonl", ".csv", ".parquet")
_SCHEMA = pa.schema({"label": pa.string(), "score": pa.float64()})
_SHOWN = 60


@dataclass(frozen=True)
class Prediction:
    text: str
    label: str
    score: float
    """Probability of that label."""

    @property
    def json(self) -> str:
        return json.dumps({"label": self.label, "score": self.score})


Write = Callable[[list[Prediction]], None]


def check(path: str | None) -> None:
    """Raises UserError for an ending that is none of ours, or a directory that is not there."""
    if path is None:
        return
    if Path(path).suffix.lower() not in ENDINGS:
        raise UserError(f"output={path}: allowed are files that end in {', '.join(ENDINGS)}")
    if not Path(path).expanduser().absolute().parent.is_dir():
        raise UserError(f"output={path}: no such directory: {Path(path).parent}")


@contextlib.contextmanager
def opened(path: str | None) -> Iterator[Write]:
    """A function to write predictions with, chunk by chunk. A file is there when all are in it."""
    if path is None:
        yield _to_table if sys.stdout.isatty() else _to_lines
        return
    target = Path(path).expanduser()
    kinds = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    with replacing(target) as partial, kinds[target.suffix.lower()](partial) as write:
        yield write


def _to_table(predictions: list[Prediction]) -> None:
    rows = [
        {"review": _shortened(p.text), "label": p.label, "score": f"{p.score:.4f}"}
        for p in predictions
    ]
    Console(highlight=False).print(as_table(rows, "", boxed=True))


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _to_lines(predictions: list[Prediction]) -> None:
    for prediction in predictions:
        sys.stdout.write(prediction.json + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _jsonl(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:
        yield lambda predictions: file.writelines(p.json + "\n" for p in predictions)


@contextlib.contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_SCHEMA.names)
        yield lambda predictions: rows.writerows((p.label, p.score) for p in predictions)


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    with pq.ParquetWriter(path, _SCHEMA) as file:

        def write(predictions: list[Prediction]) -> None:
            columns = [[p.label for p in predictions], [p.score for p in predictions]]
            file.write_batch(pa.record_batch(columns, schema=_SCHEMA))

        yield write
