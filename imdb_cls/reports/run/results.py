"""What lies in a run's directory, read for its page; what is missing is None or empty."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from imdb_cls.data.splits import Split, Splits
from imdb_cls.errors import UserError, one_line
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model import contents
from imdb_cls.model.open import settings_of
from imdb_cls.names import lower_is_better
from imdb_cls.reports.curves import logged
from imdb_cls.reports.formats import duration
from imdb_cls.reports.run.baseline import Baseline, baseline
from imdb_cls.reports.run.intervals import intervals
from imdb_cls.runs import predictions
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.predictions import Interval, Predictions
from imdb_cls.runs.records import status_of
from imdb_cls.runs.reviews import cache_of, splits_of
from imdb_cls.runs.run import Run
from imdb_cls.typed import read_object


@dataclass(frozen=True, kw_only=True)
class RunResults(contents.Contents):
    """A run, and the reviews that its model was scored on: those of test, or what evaluate was
    given."""

    run: Run
    info: RunInfo
    config: dict[str, Any]
    """config.yaml, without Hydra's part."""
    scores: dict[str, Any]
    """The metrics of the scored reviews."""
    splits: Splits | None = None
    reviews: Split | None = None
    """Those of `scored`, in their order."""
    no_reviews: str = "its reviews were not read"
    """Why `splits` or `reviews` is None."""
    evaluation: str | None = None
    """What was evaluated; None if the run itself is reported."""

    @cached_property
    def status(self) -> str:
        """As sweeps say it: completed, running, failed, stopped, pruned, interrupted."""
        return status_of(self.run, self.info, sweep_lives=False)

    @property
    def took(self) -> str:
        """How long training and testing took; empty if it is not known."""
        return duration(self.info.seconds) if self.info.seconds else ""

    def curve(self, name: str) -> list[tuple[int, float]]:
        """A metric by step; empty if it was never logged."""
        return logged(self.curves, name)

    @property
    def metric(self) -> str:
        """What chose the checkpoint."""
        return str(self.config.get("metric") or "val/accuracy")

    @cached_property
    def chosen(self) -> tuple[int, float] | None:
        """The step of the checkpoint that was taken, and its metric: the first of the best."""
        sign = -1 if lower_is_better(self.metric) else 1
        points = self.curve(self.metric)
        return max(points, key=lambda point: (sign * point[1], -point[0]), default=None)

    @property
    def what(self) -> str:
        """What was scored, in words."""
        return "test reviews" if self.evaluation is None else "reviews"

    @property
    def baseline_scored(self) -> Predictions | None:
        """What the baseline says of the scored reviews."""
        if isinstance(self.baseline, str) or self.scored is None:
            return None
        return replace(self.scored, probability=self.baseline.probability)

    @cached_property
    def baseline(self) -> Baseline | str:
        """What was trained on the run's train reviews, or why there is none."""
        if self.splits is None or self.reviews is None:
            return self.no_reviews
        return baseline(self.splits, self.reviews, cache_of(self.run.config()))

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The 95 % intervals of `scores`; empty without predictions."""
        return intervals(self.scored) if self.scored else {}

    @cached_property
    def tokenizer(self) -> HeadTailTokenizer:
        """The run's, with its truncation. Raises UserError if it is damaged or missing."""
        settings = settings_of(self.run)
        ends = settings.max_length, settings.head_fraction
        return HeadTailTokenizer.load(self.run.model_dir, *ends)


def read(run: Run) -> RunResults:
    """Reads a run without its reviews. Raises UserError if run.json or config.yaml is damaged."""
    found = contents.read(run)
    return RunResults(
        **vars(found),
        run=run,
        info=run.info(),
        config=dict(OmegaConf.to_container(run.raw_config())),  # type: ignore[arg-type]
        scores=found.metrics.get("test") or {},
    )


def read_evaluation(directory: Path, run: Run, reviews: Split) -> RunResults:
    """Reads a run, and what `evaluate` left in a directory about these reviews."""
    scores = read_object(directory / "metrics.json")
    evaluated = replace(
        read(run),
        scores=scores,
        scored=predictions.read(directory / "predictions.parquet"),
        evaluation=str(scores.get("input") or "the run's own test split"),
    )
    return with_reviews(evaluated, None, reviews)


def with_reviews(
    results: RunResults, splits: Splits | None, reviews: Split | None = None
) -> RunResults:
    """Adds the run's splits, which are read unless they are at hand, and the reviews that were
    scored: those of test if none are given."""
    no_reviews = ""
    try:
        splits = splits or splits_of(results.run)
        reviews = splits.test if reviews is None else reviews
    except UserError as error:
        no_reviews = one_line(error)
    if reviews is not None and results.scored is not None and not results.scored.is_of(reviews):
        reviews, no_reviews = None, "predictions.parquet is not of these reviews"
    return replace(results, splits=splits, reviews=reviews, no_reviews=no_reviews)
