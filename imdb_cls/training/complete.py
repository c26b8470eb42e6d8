"""What completes a run directory on the machine where it is read: the fast model and report.html.

A run on this machine ends with it; for a job it is done after its results came back, so that no
instance is paid for it.
"""

import contextlib
import importlib.util
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls.errors import UserError, as_user_error, one_line
from imdb_cls.runs.run import Clock, Run
from imdb_cls.storage import write_json
from imdb_cls.terminal import Screen, quiet_loaded_libraries

if TYPE_CHECKING:
    from imdb_cls.data.splits import Splits


def finish(run: Run, screen: Screen, splits: "Splits | None" = None) -> list[str]:
    """Of a completed run: as its config's `export` and `report` want it, and what there is not yet.
    Gives what to say of it at the very end. An error is said, and leaves the run what it is.

    Args:
        splits: the run's own, if they are at hand.
    """
    config, clock = run.config(), Clock()
    exports, reports = config.export and "fast" not in run.metrics(), config.report
    if not (exports or reports):
        return []
    splits = splits or splits_if_had(run, screen)
    if exports and splits:
        with clock.part("export"), _survived(f"python -m imdb_cls.export run={run.path}", screen):
            export(run, screen, splits)
    if reports:
        with clock.part("report"), _survived(f"python -m imdb_cls.report {run.path}", screen):
            from imdb_cls.reports.run.page import write

            write(run, splits)
    run.record(parts={**(run.info().parts or {}), **clock.seconds})
    return [f"report: {run.report_file}"] * (reports and run.report_file.is_file())


def is_finished(run: Run) -> bool:
    """Whether a completed run has all that its config wants."""
    config = run.config()
    exported = not config.export or "fast" in run.metrics()
    return exported and (not config.report or run.report_file.is_file())


@contextlib.contextmanager
def _survived(again: str, screen: Screen) -> Iterator[None]:
    """The run is complete, and a sweep has others: what goes wrong now ends neither."""
    try:
        yield
    except Exception as error:
        if as_user_error(error) is None:
            traceback.print_exc()
        screen.warn("not finished", f"{one_line(as_user_error(error) or error)}: then {again}")


def export(run: Run, screen: Screen, splits: "Splits") -> None:
    """Makes the fast model, and says in metrics.json what it costs.

    Raises:
        UserError: what makes it is not installed, or the model is damaged.
    """
    missing = [name for name in ("onnx", "onnxruntime") if not importlib.util.find_spec(name)]
    if missing:
        raise UserError(f"no fast model for CPUs without {missing[0]}: pip install {missing[0]}")
    from imdb_cls.model.onnx.fast import AGREEMENT, export

    quiet_loaded_libraries(bars=False)
    fast = export(run, splits.val, Path(run.config().cache_dir), screen)
    write_json(run.metrics_file, {**run.metrics(), "fast": fast})
    if fast["kind"]:
        screen.say(
            f"fast model for CPUs: {fast['kind']}, {fast['val_agreement']:.2%} of val's labels"
            " are the trained model's"
        )
    else:
        best = max(fast["tried"].values())
        screen.say(
            f"no fast model for CPUs: {best:.2%} of val's labels agree, below {AGREEMENT:.1%}"
        )


def splits_if_had(run: Run, screen: Screen) -> "Splits | None":
    """The reviews of a run; None, with a line that says why, if they cannot be had."""
    from imdb_cls.runs.reviews import splits_of

    try:
        return splits_of(run)
    except UserError as error:
        screen.say(f"the run's reviews cannot be had here: {error}")
        return None
