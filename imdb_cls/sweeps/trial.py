"""One trial of a sweep: the result that it has already, what is left of it, or all of it."""

import contextlib
import gc
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from imdb_cls.checkpoints import Pruned, Stopped
from imdb_cls.config import Config
from imdb_cls.device import processes
from imdb_cls.errors import UserError, as_user_error, one_line
from imdb_cls.run import Run, fingerprint
from imdb_cls.settle import Recompose, settle
from imdb_cls.sweeps import pruning
from imdb_cls.sweeps.directory import Sweep
from imdb_cls.sweeps.outcome import Outcome, outcome_of, record_failure
from imdb_cls.sweeps.records import held
from imdb_cls.sweeps.sharing import worker
from imdb_cls.terminal import is_first
from imdb_cls.training import resume, train

# Seconds that a trial may need to end that another process is still at.
_ENDING_S = 30.0


def run_trial(config: Config, wanted: Path, overrides: list[str], recompose: Recompose) -> Outcome:
    """What a sweep calls for each trial. Whatever goes wrong in it is its outcome; only being
    stopped ends the sweep too."""
    at_once = int(HydraConfig.get().launcher.get("n_jobs", 1))
    if at_once > 1:
        return _side_by_side(at_once, config, wanted, overrides, recompose)
    try:
        return _caught(config, wanted, overrides, recompose)
    except Stopped as stop:
        sys.exit(128 + stop.signum)


def _side_by_side(
    at_once: int, config: Config, wanted: Path, overrides: list[str], recompose: Recompose
) -> Outcome:
    """A trial that has the machine not for itself, and not the terminal: what it says is in its
    train.log."""
    if worker.stopping:
        return Outcome(wanted.name, "stopped")
    try:
        with (
            worker.trial(wanted.parent, at_once),
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            return _caught(config, wanted, overrides, recompose)
    except (Stopped, KeyboardInterrupt):
        worker.stopping = True
        return Outcome(wanted.name, "stopped")


def _caught(config: Config, wanted: Path, overrides: list[str], recompose: Recompose) -> Outcome:
    try:
        if processes(config.trainer) == 1:
            return attempt(config, wanted, overrides, recompose)
        return _in_processes(config, wanted, overrides, recompose)
    except Exception as error:
        return Outcome(wanted.name, "failed", None, one_line(as_user_error(error) or error))
    finally:
        _forget()


def attempt(config: Config, wanted: Path, overrides: list[str], recompose: Recompose) -> Outcome:
    """The trial's result, if it has one; else goes on with it, or begins it in `wanted`.

    Raises:
        Exception: the trial failed, which is on record in its directory.
    """
    sweep = Sweep(wanted.absolute().parent)
    found, path = None, wanted
    try:
        settled = settle(config, recompose)
        found = sweep.find(fingerprint(settled.config, settled.resolved))
        if found is not None:
            path = found.path
            if is_first() and path.absolute() != wanted.absolute():
                with contextlib.suppress(OSError):  # the empty directory that Hydra made for it
                    wanted.rmdir()
            _wait_for(found)
            halving = config.sweep.reduction_factor
            done = outcome_of(found, config.metric, again=False)
            if done and (done.status == "completed" or (done.status == "pruned" and halving)):
                return done
        elif is_first():
            path = sweep.place(wanted, overrides)
        options: dict[str, Any] = {"settled": settled, "callbacks": []}
        if config.sweep.reduction_factor:
            options["callbacks"] = [pruning.Halving(path, config.sweep.reduction_factor)]
        try:
            if found is not None and is_first():
                resume(str(path), path, [], **options)
            else:
                train(settled.config, path, recompose, overrides, sweep=sweep.name, **options)
        except Pruned:
            pass
    except Exception as error:
        if is_first() and not Run(path).record_file.is_file():
            record_failure(config, sweep.place(path, overrides), overrides, error, sweep.name)
        raise
    outcome = outcome_of(Run(path), config.metric)
    assert outcome is not None
    return outcome


def _in_processes(
    config: Config, wanted: Path, overrides: list[str], recompose: Recompose
) -> Outcome:
    """The same in a process of its own, which starts one for each device: what they share is
    theirs only once in the life of a process."""
    hydra = HydraConfig.get()
    settled = settle(config, recompose)
    sweep = Sweep(wanted.absolute().parent)
    found = sweep.find(fingerprint(settled.config, settled.resolved))
    path = found.path if found else wanted
    ours = [f"hydra.run.dir='{path.absolute()}'"]
    if hydra.job.config_name != "train":
        sources = [source.path for source in hydra.runtime.config_sources]
        ours = [*(f"--config-dir={path}" for path in sources[1:2]), *ours]
    command = [sys.executable, "-m", "imdb_cls.train", *overrides, *ours]
    done = subprocess.run(command, check=False)
    if done.returncode in (130, 143):
        raise Stopped(done.returncode - 128)
    outcome = outcome_of(Run(path), config.metric) if Run(path).record_file.is_file() else None
    if outcome is None:
        raise UserError(f"its process ended with {done.returncode}")
    return outcome


def _wait_for(run: Run) -> None:
    """Of a sweep that was killed a moment ago, a trial may be about to save its checkpoint."""
    until = time.monotonic() + _ENDING_S
    while is_first() and held(run.log_file) and time.monotonic() < until:
        time.sleep(0.1)


def _forget() -> None:
    """Of one trial nothing is left in memory for the next, on a GPU above all."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    logging.captureWarnings(False)
