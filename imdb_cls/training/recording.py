"""What is kept of a run while it goes on: its lock, train.log, and its status in run.json."""

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from imdb_cls.container import job_name
from imdb_cls.errors import UserError, as_user_error
from imdb_cls.runs import seals
from imdb_cls.runs.clock import Clock
from imdb_cls.runs.leftovers import remove_leftovers
from imdb_cls.runs.run import Run, now
from imdb_cls.storage import lock
from imdb_cls.terminal import is_rank_zero
from imdb_cls.training.checkpoints import Pruned, Stopped
from imdb_cls.training.loggers import wandb_run


@contextmanager
def run_lock(run: Run) -> Iterator[None]:
    """Keeps other processes from a run that this process, rank zero, is at work on. Nothing of the
    run is written without it. Raises UserError if another process has it."""
    if not is_rank_zero():
        yield
        return
    run.path.mkdir(parents=True, exist_ok=True)
    with run.log_file.open("a", encoding="utf-8") as file:
        if not lock(file):
            raise UserError(f"resume={run.path}: the run is still running in another process")
        remove_leftovers(run.path)
        try:
            yield
        finally:
            if not run.record_file.exists():  # It was refused before it began.
                run.log_file.unlink(missing_ok=True)


@contextmanager
def recording(run: Run, clock: Clock) -> Iterator[None]:
    """Writes train.log, and how the run ends to run.json. SIGTERM stops the run, but for the fit,
    where LastCheckpoint waits for the end of a step."""
    log = logging.getLogger("imdb_cls")
    begun = seals.hashes(run.path, [seals.CONFIG])
    run.record(status="running", finished=None, reason=None, pruned=False, sha256=begun)
    start = time.perf_counter() - (run.info().seconds or 0.0)
    end: dict[str, Any] = {"status": "completed"}
    with _log_and_signal(run.log_file):
        try:
            yield
        except (Stopped, KeyboardInterrupt) as stop:
            log.info("stopped by %s", stop or "SIGINT")
            # Of a job the path is that of its container.
            how = "" if job_name() else f": go on with python -m imdb_cls.train resume={run.path}"
            print(f"stopped{how}", flush=True)
            end = {"status": "stopped"}
            raise
        except Pruned as pruned:
            log.info("pruned: %s", pruned)
            end = {"status": "stopped", "reason": f"pruned: {pruned}", "pruned": True}
            raise
        except BaseException as error:
            log.exception("failed")
            end = {"status": "failed", "reason": repr(as_user_error(error) or error)}
            raise
        finally:
            seconds = round(time.perf_counter() - start, 3)
            left = seals.hashes(run.path, [seals.CONFIG, *seals.RESULTS])
            run.record(**end, finished=now(), seconds=seconds, parts=clock.seconds, sha256=left)
            wandb_run.finish(end["status"] == "completed" or "pruned" in end)


@contextmanager
def _log_and_signal(log_file: Path) -> Iterator[None]:
    """Has everything logged to a file, and SIGTERM raise Stopped."""
    handler = logging.FileHandler(log_file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped(signum)
