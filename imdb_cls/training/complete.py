"""Completes the directory of a trained run with the fast model and report.html.

A run on this machine ends so. The directory of a job is completed where its results were fetched:
nobody pays an instance for it.
"""

import contextlib
import importlib.util
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imdb_cls.errors import UserError, as_user_error, one_line
from imdb_cls.inference.settings import Settings
from imdb_cls.runs.clock import Clock
from imdb_cls.runs.run import Run
from imdb_cls.storage import write_json
from imdb_cls.terminal import Screen, quiet_loaded_libraries
from imdb_cls.training.loggers.wandb_files import sync_command

if TYPE_CHECKING:
    from imdb_cls.data.splits import Splits


def is_complete(run: Run) -> bool:
    """Whether a trained run has the fast model and the report, if its config asks for them."""
    config = run.config()
    exported = not config.export or "fast" in run.metrics()
    return exported and (not config.report or run.report_file.is_file())


def complete(run: Run, screen: Screen, splits: "Splits | None" = None) -> list[str]:
    """Makes what the config of a trained run asks for: the fast model, unless it is there, and the
    report. An error becomes a warning. Returns the lines that are to be shown last. `splits` are
    the run's own, if they are loaded already."""
    config, clock = run.config(), Clock()
    exports, reports = config.export and "fast" not in run.metrics(), config.report
    wandb = config.logger.wandb
    sync = sync_command(wandb, run.info().logger_id or "") if wandb else None
    last = [f"its offline wandb run: {sync}"] if sync else []
    if not (exports or reports):
        return last
    splits = splits or splits_or_none(run, screen)
    if exports and splits:
        with clock.part("export"), _warning(f"python -m imdb_cls.export run={run.path}", screen):
            export_fast_model(run, screen, splits)
    if reports:
        with clock.part("report"), _warning(f"python -m imdb_cls.report {run.path}", screen):
            from imdb_cls.reports.run.page import write

            write(run, splits)
    run.record(parts={**(run.info().parts or {}), **clock.seconds})
    return [*last, *[f"report: {run.report_file}"] * (reports and run.report_file.is_file())]


def export_fast_model(run: Run, screen: Screen, splits: "Splits") -> None:
    """Makes the fast model, and says in metrics.json how well it agrees with the trained one. If
    that is damaged or a package is missing, raises UserError."""
    missing = [name for name in ("onnx", "onnxruntime") if not importlib.util.find_spec(name)]
    if missing:
        raise UserError(f"no fast model for CPUs without {missing[0]}: pip install {missing[0]}")
    from imdb_cls.model.onnx.fast import AGREEMENT, export
    from imdb_cls.runs.reviews import cache_of

    quiet_loaded_libraries(bars=False)
    metrics = run.metrics()
    with run.rewriting(run.metrics_file, run.model_dir / Settings.FILE):
        fast = export(run, splits.val, cache_of(run.config()), screen)
        write_json(run.metrics_file, {**metrics, "fast": fast})
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


def splits_or_none(run: Run, screen: Screen) -> "Splits | None":
    """The reviews of a run. If they cannot be had here, says why and gives None."""
    from imdb_cls.runs.reviews import splits_of

    try:
        return splits_of(run)
    except UserError as error:
        screen.say(f"the run's reviews cannot be had here: {error}")
        return None


@contextlib.contextmanager
def _warning(again: str, screen: Screen) -> Iterator[None]:
    """Turns an error into a warning with the command that tries once more: the run is trained, and
    its sweep may have other trials."""
    try:
        yield
    except Exception as error:
        if as_user_error(error) is None:
            traceback.print_exc()
        screen.warn("not finished", f"{one_line(as_user_error(error) or error)}: then {again}")
