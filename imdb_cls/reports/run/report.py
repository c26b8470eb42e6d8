"""The page of a run, or of an evaluation, made from what lies there."""

from pathlib import Path

from imdb_cls.data.splits import Split, Splits
from imdb_cls.reports.run.facts import gather, gather_evaluation
from imdb_cls.reports.run.page import write_page
from imdb_cls.runs.run import Run
from imdb_cls.terminal import quiet_loaded_libraries

NAME = "report.html"


def write(
    run: Run, splits: Splits | None = None, cache: Path | None = None, output: Path | None = None
) -> Path:
    """Writes RUN/report.html, or `output`; what cannot be had is left out, and the page says why.

    Args:
        splits: the run's reviews, if they are at hand; else they are read again.
        cache: where the baseline is kept. None: the run's own.
    """
    quiet_loaded_libraries(bars=False)
    path = output or run.path / NAME
    write_page(gather(run, splits, cache), path)
    return path


def write_evaluation(directory: Path, run: Run, split: Split | None = None) -> Path:
    """Writes report.html beside the metrics.json and predictions.parquet of an evaluation.

    Args:
        split: the reviews that were evaluated. None: the page is made without their texts.
    """
    quiet_loaded_libraries(bars=False)
    path = directory / NAME
    write_page(gather_evaluation(directory, run, split), path)
    return path
