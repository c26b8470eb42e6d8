"""A run while it goes on: its lock, train.log, and its status in run.json however it ends."""

import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from imdb_cls.errors import UserError, as_user_error
from imdb_cls.runs.run import Clock, Run, now
from imdb_cls.storage import lock
from imdb_cls.training.checkpoints import Pruned, Stopped


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Keeps a second process from resuming a run that is still alive."""
    with run.log_file.open("a", encoding="utf-8") as file:
        if not lock(file):
            raise UserError(f"resume={run.path}: the run is still running in another process")
        yield


@contextmanager
def recorded(run: Run, clock: Clock) -> Iterator[None]:
    """train.log, and run.json's status, end and seconds however the run ends."""
    handler = logging.FileHandler(run.log_file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    log = logging.getLogger("imdb_cls")
    failed = 1
    run.record(status="running", finished=None, reason=None, pruned=False)
    previous = signal.signal(signal.SIGTERM, _stop)
    start = time.perf_counter()
    before = run.info().seconds or 0.0
    try:
        yield
        failed = 0
        _end(run, "completed", before + time.perf_counter() - start, clock)
    except (Stopped, KeyboardInterrupt) as stop:
        log.info("stopped by %s", stop or "SIGINT")
        _end(run, "stopped", before + time.perf_counter() - start, clock)
        print(f"stopped: go on with python -m imdb_cls.train resume={run.path}", flush=True)
        raise
    except Pruned as end:
        log.info("pruned: %s", end)
        seconds = before + time.perf_counter() - start
        _end(run, "stopped", seconds, clock, reason=f"pruned: {end}", pruned=True)
        failed = 0
        raise
    except BaseException as error:
        log.exception("failed")
        reason = as_user_error(error) or error
        _end(run, "failed", before + time.perf_counter() - start, clock, reason=repr(reason))
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        _finish_wandb(failed)
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


def _stop(signum: int, frame: FrameType | None) -> None:
    """Outside training, where nothing is half-done; LastCheckpoint has its own handler."""
    raise Stopped(signum)


def _end(run: Run, status: str, seconds: float, clock: Clock, **facts: Any) -> None:
    run.record(
        status=status, finished=now(), seconds=round(seconds, 3), parts=clock.seconds, **facts
    )


def _finish_wandb(exit_code: int) -> None:
    if "wandb" in sys.modules:
        sys.modules["wandb"].finish(exit_code=exit_code)
