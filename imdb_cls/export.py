"""Makes a run's fast model for CPUs: python -m imdb_cls.export run=<dir>"""

import sys
from dataclasses import dataclass

from imdb_cls import cli
from imdb_cls.errors import UserError
from imdb_cls.terminal import Screen, quiet_libraries

USAGE = """
usage: python -m imdb_cls.export run=DIR

  run=DIR          a run directory

Writes DIR/model/model.int8.onnx, which predict and an endpoint take on a CPU, if it labels at least
99.5 % of the validation reviews as the trained model does; else model.fp32.onnx, if that does; else
nothing. A run does this itself; this is for one with export=false, or whose reviews could not be
had when it ended.
"""


@dataclass
class Arguments:
    run: str


def export(given: Arguments) -> None:
    """Raises UserError for whatever a user can mend."""
    quiet_libraries()
    from imdb_cls.runs.run import Run
    from imdb_cls.training import complete

    run, screen = Run.open(given.run, complete=True), Screen()
    if not run.whole(run.val_predictions_file).is_file():
        raise UserError(f"run={given.run} has no {run.val_predictions_file.name}: an older run")
    splits = complete.splits_or_none(run, screen)
    if splits is None:
        raise UserError(f"run={given.run}: without its reviews nothing can be compared")
    complete.export_fast_model(run, screen, splits)


def main() -> None:
    with cli.one_line_errors():
        export(cli.arguments(Arguments, sys.argv[1:], USAGE))


if __name__ == "__main__":
    main()
