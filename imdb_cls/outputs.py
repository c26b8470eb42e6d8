"""Where predictions go: a table on a terminal, JSON lines in a pipe, or a file."""

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from imdb_cls.errors import UserError, one_line
from imdb_cls.storage import replacing
from imdb_cls.terminal import PlainConsole, as_table

ENDINGS = (".jsonl", ".csv", ".parquet")
_SCHEMA = pa.schema({"label": pa.string(), "score": pa.float64()})
# Characters of a review in a table.
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


def check_output(path: str | None) -> None:
    """Raises UserError for an ending that is none of ours, or a directory that is not there."""
    if path is None:
        return
    if Path(path).suffix.lower() not in ENDINGS:
        raise UserError(f"output={path}: allowed are files that end in {', '.join(ENDINGS)}")
    if not Path(path).expanduser().absolute().parent.is_dir():
        raise UserError(f"output={path}: no such directory: {Path(path).parent}")


@contextlib.contextmanager
def opened(path: str | None) -> Iterator[Callable[[list[Prediction]], None]]:
    """Gives a function that writes predictions, chunk by chunk. A file takes its name when all of
    them are in it."""
    if path is None:
        yield _to_table if sys.stdout.isatty() else _to_lines
        return
    target = Path(path).expanduser()
    with replacing(target) as partial:
        if target.suffix.lower() == ".parquet":
            with pq.ParquetWriter(partial, _SCHEMA) as table:
                yield lambda predictions: table.write_batch(
                    pa.RecordBatch.from_pylist([vars(p) for p in predictions], _SCHEMA)
                )
            return
        with partial.open("w", encoding="utf-8", newline="") as file:
            if target.suffix.lower() == ".csv":
                rows = csv.writer(file)
                rows.writerow(_SCHEMA.names)
                yield lambda predictions: rows.writerows((p.label, p.score) for p in predictions)
            else:
                yield lambda predictions: file.writelines(p.json + "\n" for p in predictions)


def _to_table(predictions: list[Prediction]) -> None:
    rows = [
        {"review": one_line(p.text, _SHOWN), "label": p.label, "score": f"{p.score:.4f}"}
        for p in predictions
    ]
    PlainConsole().print(as_table(rows, "", boxed=True))


def _to_lines(predictions: list[Prediction]) -> None:
    sys.stdout.writelines(p.json + "\n" for p in predictions)
    sys.stdout.flush()
