"""Everything that a run's page is made of, gathered once; what is missing is None."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from imdb_cls.data.splits import Split, Splits
from imdb_cls.errors import UserError, one_line
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.names import lower_is_better
from imdb_cls.reports.curves import finite
from imdb_cls.reports.run import predictions
from imdb_cls.reports.run.baseline import Baseline, baseline
from imdb_cls.reports.run.predictions import Predictions
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.records import Curves, curves_of, json_of, status_of, yaml_of
from imdb_cls.runs.run import Run


@dataclass(frozen=True)
class Facts:
    """A run, and the reviews that its model was scored on."""

    run: Run
    info: RunInfo
    """run.json"""
    config: dict[str, Any]
    """config.yaml, without Hydra's part."""
    metrics: dict[str, Any]
    """metrics.json; empty of a run that has none yet."""
    scores: dict[str, Any]
    """The metrics of the scored reviews; empty if there are none."""
    scored: Predictions | None
    """Of test, or of the reviews that evaluate was given."""
    val: Predictions | None
    splits: Splits | None
    reviews: Split | None
    """The texts of `scored`."""
    no_texts: str
    """Why `splits` is None."""
    cache: Path
    evaluation: str | None = None
    """What was evaluated; None if it is the run itself that is reported."""

    @cached_property
    def status(self) -> str:
        """As sweeps say it: completed, running, failed, stopped, pruned, interrupted."""
        return status_of(self.run, self.info, sweep_lives=False)

    @cached_property
    def curves(self) -> Curves:
        """Every logged metric by step."""
        found = curves_of(self.run.table_file)
        return {name: finite(points) for name, points in found.items()}

    @property
    def metric(self) -> str:
        """What chose the checkpoint."""
        return str(self.config.get("metric") or "val/accuracy")

    @property
    def chosen_step(self) -> int | None:
        """The step of the checkpoint that was taken: the first with the best metric."""
        points = self.curves.get(self.metric)
        if not points:
            return None
        sign = -1 if lower_is_better(self.metric) else 1
        return max(points, key=lambda point: (sign * point[1], -point[0]))[0]

    @property
    def temperature(self) -> float | None:
        """Fitted on val; None for a run that was not calibrated."""
        found = (self.metrics.get("calibration") or {}).get("temperature")
        return None if found is None else float(found)

    @property
    def what(self) -> str:
        """What was scored, in words."""
        return "test reviews" if self.evaluation is None else "reviews"

    @cached_property
    def baseline(self) -> Baseline | str:
        """Trained on the run's train reviews; or why there is none."""
        if self.splits is None or self.reviews is None:
            return self.no_texts
        return baseline(self.splits, self.reviews, self.cache)

    @cached_property
    def texts(self) -> list[str] | None:
        """Of the scored reviews, in their order."""
        return None if self.reviews is None else list(self.reviews.reviews["text"])

    @cached_property
    def tokenizer(self) -> HeadTailTokenizer:
        """With the truncation of the run.

        Raises:
            UserError: it is damaged or missing.
        """
        data = self.config["data"]
        ends = int(data["max_length"]), float(data["head_fraction"])
        return HeadTailTokenizer.load(self.run.model_dir, *ends)


def gather(run: Run, splits: Splits | None = None, cache: Path | None = None) -> Facts:
    """Reads a run, whatever there is of it, and its reviews.

    Args:
        splits: its reviews, if they are at hand; else they are read again.
        cache: None: the run's own.
    """
    facts = read(run)
    facts = replace(facts, cache=cache or facts.cache)
    no_texts = ""
    if splits is None:
        splits, no_texts = _splits(run, facts.cache)
    if splits is not None and facts.scored is not None and not _are(splits.test, facts.scored):
        splits, no_texts = None, "predictions.parquet is not of these reviews"
    reviews = splits.test if splits else None
    return replace(facts, splits=splits, reviews=reviews, no_texts=no_texts)


def read(run: Run) -> Facts:
    """The same without the reviews."""
    config = dict(yaml_of(run.config_file) or {})
    config.pop("hydra", None)
    metrics = json_of(run.metrics_file) or {}
    return Facts(
        run=run,
        info=run.info(),
        config=config,
        metrics=metrics,
        scores=metrics.get("test") or {},
        scored=predictions.read(run.predictions_file),
        val=predictions.read(run.path / "predictions_val.parquet"),
        splits=None,
        reviews=None,
        no_texts="its reviews were not read",
        cache=Path(str(config.get("cache_dir") or "~/.cache/imdb_cls")).expanduser(),
    )


def gather_evaluation(directory: Path, run: Run, split: Split | None) -> Facts:
    """Reads what `evaluate` left in a directory.

    Args:
        split: the reviews that were evaluated.
    """
    facts = read(run)
    splits, no_texts = _splits(run, facts.cache)
    scores = json_of(directory / "metrics.json") or {}
    scored = predictions.read(directory / "predictions.parquet")
    if split is not None and scored is not None and not _are(split, scored):
        split, no_texts = None, "predictions.parquet is not of these reviews"
    return replace(
        facts,
        scores=scores,
        scored=scored,
        splits=splits,
        reviews=split,
        no_texts=no_texts,
        evaluation=str(scores.get("input") or "the run's own test split"),
    )


def _splits(run: Run, cache: Path) -> tuple[Splits | None, str]:
    """The run's reviews, or why they cannot be had."""
    from imdb_cls.runs.reviews import splits_of

    try:
        return splits_of(run, cache), ""
    except UserError as error:
        return None, one_line(error)


def _are(split: Split, scored: Predictions) -> bool:
    return bool(split.rows.tolist() == scored.index.tolist())
