"""A run's values in wandb. If its server refuses or hangs, the run goes on, and they stay here."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imdb_cls.config import Config, WandbConfig
from imdb_cls.errors import UserError, one_line
from imdb_cls.runs.run import Run
from imdb_cls.training.loggers import wandb_files, wandb_key
from imdb_cls.training.loggers.base import ScalarLogger

if TYPE_CHECKING:
    import wandb

# Seconds that wandb may take, unless its own variables say otherwise. Its defaults are minutes for
# the begin of a run, and no limit at all for its end.
_PATIENCE: dict[str, Any] = {"init_timeout": 12.0, "finish_timeout": 12.0}
_log = logging.getLogger("imdb_cls")


class WandbLogger(ScalarLogger):
    """Logs to the wandb run of this process, and takes what wandb would print. The first thing that
    goes wrong is said, with what to do about it; it neither ends the training nor holds it up."""

    current: "WandbLogger | None" = None
    run: "wandb.Run"

    def __init__(self) -> None:
        super().__init__()
        self.place: str | None = None
        """Where the values are kept, once that is known."""
        self._problems: list[str] = []
        self._is_told = False

    def write(self, metrics: dict[str, float], step: int, epoch: int) -> None:
        # All metrics share one axis of steps, so that a resumed run logs on where it stopped.
        with self.errors_told():
            self.run.log({**metrics, "epoch": epoch, "trainer/global_step": step})

    @contextmanager
    def errors_told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # there is no narrower one: wandb's process may be gone
            self.warning(str(error) or type(error).__name__)

    def info(self, text: str) -> None:
        _log.info(text)

    def warning(self, text: str) -> None:
        _log.warning(text)
        self._problems.append(text.removeprefix("wandb: ").removeprefix("WARNING "))
        self.tell()

    error = warning

    def tell(self) -> None:
        """Says the first problem, once, and what to do about it."""
        if self._problems and self.place and not self._is_told:
            self._is_told = True
            what = f"wandb: {one_line(self._problems[0]).rstrip('.')}: training goes on"
            told = f"{what}; its values are kept: wandb sync {self.place}"
            _log.warning(told)
            print(f"WARNING {told}", flush=True)


def start(settings: WandbConfig, config: Config, run: Run, wandb_id: str) -> WandbLogger:
    """Begins a wandb run, or goes on with it; offline if its server does not take it. Raises
    UserError for settings that wandb does not take, and a directory that cannot be written."""
    import wandb

    directory = wandb_files.directory(settings)
    directory.mkdir(parents=True, exist_ok=True)
    patience = {k: v for k, v in _PATIENCE.items() if f"WANDB_{k.upper()}" not in os.environ}

    def begin(mode: str) -> "wandb.Run":
        theirs = wandb.setup().settings  # of its variables, and of the files of `wandb init`
        wandb.termsetup(wandb.Settings(silent=True), logger)
        return wandb.init(
            project=settings.project or theirs.project or "imdb_cls",
            entity=settings.entity,
            name=settings.name or theirs.run_name or run.name,
            group=settings.group,
            tags=list(settings.tags) or None,
            id=wandb_id,
            resume="allow",
            mode=mode,  # type: ignore[arg-type]
            dir=str(directory),
            config=asdict(config),
            settings=wandb.Settings(
                silent=True,
                console="off",
                # In a SageMaker job it would else take its id and its key from SageMaker's files.
                sagemaker_disable=True,
                finish_timeout_raises=True,
                **patience,
            ),
        )

    logger = WandbLogger()
    before = set(directory.glob(f"wandb/run-*-{wandb_id}"))
    try:
        try:
            logger.run = begin(wandb_key.mode(settings))
        except wandb.errors.UsageError:
            raise
        except (wandb.Error, TimeoutError) as error:
            logger = WandbLogger()
            logger.warning(str(error))
            wandb.teardown()  # its process holds the id
            for empty in set(directory.glob(f"wandb/run-*-{wandb_id}")) - before:
                shutil.rmtree(empty)
            logger.run = begin("offline")
    except (wandb.Error, OSError, ValueError) as error:
        raise UserError(
            f"wandb cannot start: {one_line(error)}; train without it with logger=none, or offline"
            " with logger.wandb.mode=offline"
        ) from None
    WandbLogger.current, logger.place = logger, logger.run.settings.sync_dir
    logger.tell()
    return logger


def finish(is_as_wanted: bool) -> None:
    """Ends the wandb run of this process, if there is one, and waits for its last values and for
    the end of wandb's process, which would otherwise be awaited when Python ends."""
    if logger := WandbLogger.current:
        import wandb

        with logger.errors_told():
            logger.run.finish(exit_code=0 if is_as_wanted else 1)
        with logger.errors_told():
            wandb.teardown()
        WandbLogger.current = None
