"""A run's metrics on labelled reviews: python -m imdb_cls.evaluate run=<dir> [input=<file>]"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls import cli
from imdb_cls.loading import importing
from imdb_cls.storage import check_writable, shortened, write_json
from imdb_cls.terminal import Screen, quiet_libraries

if TYPE_CHECKING:
    from imdb_cls.data.reviews import Layout

USAGE = """
usage: python -m imdb_cls.evaluate run=DIR [input=FILE]

  run=DIR          a run directory
  input=FILES      labelled reviews: a .csv, .tsv, .json, .jsonl or .parquet file (also .gz), a
                   directory or a 'glob' of some, or an address (the run's own test split)
  text=COLUMN      the column of the reviews (text)
  label=COLUMN     the column of the labels: 0/1, negative/positive, neg/pos, false/true (label)
  negative=A,B positive=C,D
                   labels of your own; reviews with any other are left out
  separator=NAME   between a csv file's columns: comma, semicolon, tab or pipe (auto)
  output=DIR       where metrics.json, predictions.parquet and report.html go
                   (DIR/evaluations/<name>; no page of a run with report=false)
  device=NAME      auto, cpu, gpu or mps (auto)
  precision=NAME   auto, bf16-mixed, 16-mixed or 32-true (the run's trainer.eval_precision)
  batch_size=N     (the run's data.eval_batch_size)

A table on a terminal, in a pipe the metrics as one JSON object.
"""


@dataclass
class Arguments:
    run: str
    input: str | None = None
    text: str = "text"
    label: str = "label"
    negative: str = ""
    positive: str = ""
    separator: str = "auto"
    output: str | None = None
    device: str = "auto"
    precision: str | None = None
    batch_size: int | None = None

    @property
    def layout(self) -> "Layout":
        """Raises UserError for what cannot be a layout."""
        from imdb_cls.data.reviews import Layout

        # As data.negative is written, or without its brackets.
        named = (side.strip("[]").split(",") for side in (self.negative, self.positive))
        sides = (tuple(label for label in labels if label) for labels in named)
        return Layout(self.text, self.label, self.separator, *sides)


def evaluate(given: Arguments) -> None:
    """Raises UserError for whatever a user can mend."""
    quiet_libraries()
    with importing():
        from imdb_cls.data import sources, splits
        from imdb_cls.data.tokens import tokenize
        from imdb_cls.model.evaluation import evaluate_split
        from imdb_cls.model.open import open_labeller
        from imdb_cls.runs.reviews import cache_of, splits_of
        from imdb_cls.runs.run import Run

    run = Run.open(given.run, complete=True)
    config = run.config()
    cache = cache_of(config)
    if given.input:
        reviews = sources.load_files(given.input, given.layout, cache)
        split = splits.whole(reviews)
        left_out = len(reviews) - len(split)
        name, what = f"{shortened(Path(given.input).stem, 60)}-{split.fingerprint[:8]}", given.input
    else:
        split, name, what = splits_of(run).test, "test", "the run's own test split"
        left_out = 0

    directory = Path(given.output or run.path / "evaluations" / name).expanduser()
    check_writable(directory)
    model = open_labeller(run, given.device, given.precision, given.batch_size, allow_fast=False)
    tokens = tokenize(split, model.tokenizer, cache)
    screen = Screen()
    with screen.counted("scoring", len(tokens)) as advance:
        done = evaluate_split(model.engine, split, tokens, advance)
    directory.mkdir(parents=True, exist_ok=True)
    done.write_predictions(directory / "predictions.parquet")
    record = {"input": given.input, "fingerprint": split.fingerprint, **done.metrics}
    if left_out:
        record["left_out"] = left_out
    write_json(directory / "metrics.json", record)
    if screen.console.is_terminal:
        others = f", {left_out:,} of other labels left out" if left_out else ""
        title = f"{run.path.name} on {what}, {len(split):,} reviews{others}"
        screen.summary(title, done.metrics, None, [f"written to {directory}"])
    else:
        print(json.dumps({**record, "directory": str(directory)}), flush=True)
    if config.report:
        from imdb_cls.reports.run.page import write_evaluation

        write_evaluation(directory, run, split)


def main() -> None:
    with cli.one_line_errors():
        evaluate(cli.arguments(Arguments, sys.argv[1:], USAGE))


if __name__ == "__main__":
    main()
