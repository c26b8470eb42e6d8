"""What completes a run directory on the machine where it is read: the fast model and report.html.

A run on this machine ends with it; for a job it is done after its results came back, so that no
instance is paid for it.
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls.errors import UserError
from imdb_cls.hub import HubUnreachable
from imdb_cls.run import Clock, Run
from imdb_cls.storage import write_json
from imdb_cls.terminal import Screen, quiet_loaded_libraries

if TYPE_CHECKING:
    from imdb_cls.data.splits import Splits


def finish(run: Run, screen: Screen, splits: "Splits | None" = None) -> list[str]:
    """Of a completed run: as its config's `export` and `report` want it. Gives what to say of it at
    the very end.

    Args:
        splits: the run's own, if they are at hand.
    """
    config, clock = run.config(), Clock()
    wanted = config.export and "fast" not in run.metrics()
    if not (wanted or config.report):
        return []
    splits = splits or splits_of(run, screen)
    if wanted and splits:
        with clock.part("export"):
            export(run, screen, splits)
    if config.report:
        from imdb_cls.reports.run.report import write

        with clock.part("report"):
            write(run, splits, _cache(run))
    run.record(parts={**run.info().get("parts", {}), **clock.seconds})
    return [f"report: {run.report_file}"] * config.report


def export(run: Run, screen: Screen, splits: "Splits") -> None:
    """Makes the fast model, and says in metrics.json what it costs."""
    if not importlib.util.find_spec("onnxruntime"):
        screen.say("no fast model for CPUs: pip install onnx onnxruntime")
        return
    from imdb_cls.exporting.fast import AGREEMENT, export

    quiet_loaded_libraries(bars=False)
    with screen.counted("fast model", len(splits.val)) as advance:
        fast = export(run, splits.val, _cache(run), advance)
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


def splits_of(run: Run, screen: Screen) -> "Splits | None":
    """The reviews of a run, or None with a line that says why they cannot be had."""
    from imdb_cls.data import chosen

    config = run.config()
    try:
        splits = chosen.load(config.data, _cache(run))
    except (HubUnreachable, UserError) as error:
        screen.say(f"the run's reviews cannot be had here: {error}")
        return None
    if splits.fingerprint != run.info()["resolved"]["data_fingerprint"]:
        screen.say("the run's reviews have changed since: it is reported without them")
        return None
    return splits


def _cache(run: Run) -> Path:
    return Path(run.config().cache_dir).expanduser()
