"""What a run has left, as far as it is whole, and what is wrong with the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from imdb_cls.errors import UserError, missing, one_line
from imdb_cls.inference.settings import check_file
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.loading import importing
from imdb_cls.model.open import settings_of
from imdb_cls.runs import predictions
from imdb_cls.runs.metrics import Curves
from imdb_cls.runs.predictions import Predictions
from imdb_cls.runs.records import curves_of
from imdb_cls.runs.run import Run
from imdb_cls.storage import readable

T = TypeVar("T")


@dataclass(frozen=True)
class Contents:
    metrics: dict[str, Any]
    """metrics.json; empty before the test, and if it is damaged."""
    curves: Curves
    """metrics.csv."""
    scored: Predictions | None
    """predictions.parquet."""
    val: Predictions | None
    damage: list[str]
    """What is wrong with a file of the run, the model's too, a line each."""


def read(run: Run) -> Contents:
    """Raises UserError if run.json or config.yaml is damaged: without them nothing means much."""
    info, damage = run.info(), list[str]()
    run.config()

    def whole(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except UserError as error:
            damage.append(one_line(error, limit=1000))
            return None

    def scored() -> Predictions | None:
        found = predictions.read(run.whole(run.predictions_file))
        if found is None and tested:
            raise UserError(f"{run.predictions_file}: {missing(run.predictions_file, 'file')}")
        return found

    tested = info.status == "completed"
    metrics = whole(run.metrics) if tested or run.metrics_file.exists() else None
    contents = Contents(
        metrics or {},
        whole(lambda: curves_of(run, info)) or {},
        whole(scored),
        whole(lambda: predictions.read(run.whole(run.val_predictions_file))),
        damage,
    )
    if tested:
        whole(lambda: _check_model(run))
    return contents


def _check_model(run: Run) -> None:
    with importing(freeze=False):
        from imdb_cls.inference.network import read_weights

    model, settings = run.model_dir, settings_of(run)
    HeadTailTokenizer.load(model, settings.max_length, settings.head_fraction)
    read_weights(model)
    if settings.fast:
        readable(model / settings.fast)
        check_file(model, settings.fast)
