"""How a trial ended."""

import traceback
from dataclasses import dataclass
from pathlib import Path

from imdb_cls.config import Config
from imdb_cls.errors import UserError, as_user_error
from imdb_cls.runs.records import curve_of, say_once
from imdb_cls.runs.run import Run, now


@dataclass(frozen=True)
class Outcome:
    trial: str
    """The name of its directory."""
    status: str
    """completed, failed, pruned or stopped; submitted: its job was not waited for."""
    value: float | None = None
    """The sweep's metric at the best checkpoint."""
    reason: str | None = None
    curve: tuple[float, ...] = ()
    """The metric at each validation."""
    new: bool = True
    """Whether the trial ran in this command. If not, the result was there before."""

    def __str__(self) -> str:
        before = "" if self.new else " before"
        value = "" if self.value is None else f", {self.value:.4f}"
        told = (self.reason or "").removeprefix(f"{self.status}: ")
        reason = f": {told}" if told else ""
        return f"trial {self.trial}: {self.status}{before}{value}{reason}"

    def __float__(self) -> float:
        """Hydra's other sweepers take the result of a trial as a number."""
        return float("nan") if self.value is None else self.value


def outcome_of(run: Run, metric: str, new: bool = True) -> Outcome | None:
    """The outcome of a trial that completed, failed or was pruned; else None. One whose files are
    damaged has none, which is said: it has to go on."""
    info, name = run.info(), run.path.name
    try:
        values = tuple(curve_of(run, metric))
        if info.status == "completed":
            return Outcome(name, "completed", run.best(metric), None, values, new)
    except UserError as error:
        say_once(f"trial {name}: {error}")
        return None
    if info.pruned or info.status == "failed":
        status = "pruned" if info.pruned else "failed"
        return Outcome(name, status, None, info.plain_reason, values, new)
    return None


def record_failure(
    config: Config, path: Path, overrides: list[str], error: Exception, sweep: str
) -> None:
    """Makes the run directory of a trial that failed before it could train."""
    reason = as_user_error(error)
    backend = "sagemaker" if config.backend else "local"
    run = Run.create(path, config, overrides=overrides, backend=backend, sweep=sweep)
    run.record(status="failed", finished=now(), seconds=0.0, reason=repr(reason or error))
    if reason is None:
        run.log_file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
