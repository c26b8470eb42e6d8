"""Runs a trial on this machine: all of it, or what is left of it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from imdb_cls.config.overrides import quoted
from imdb_cls.errors import UserError
from imdb_cls.model.device import processes, release_memory
from imdb_cls.runs.outcome import Outcome
from imdb_cls.runs.run import Run, now
from imdb_cls.storage import held
from imdb_cls.sweeps.pruning import Halving
from imdb_cls.sweeps.trial import Trial
from imdb_cls.sweeps.worker import worker
from imdb_cls.terminal import is_rank_zero
from imdb_cls.training.checkpoints import Pruned, Stopped
from imdb_cls.training.fit import resume, train

# Seconds that a process which still works at a trial may need to end.
_ENDING_S = 30.0


def run_in_sweep(trial: Trial) -> Outcome:
    """Runs a trial for a sweep. A failure becomes its outcome, and only a signal ends the sweep.
    Raises Stopped at a signal, if no other trial runs at the same time."""
    at_once = int(HydraConfig.get().launcher.get("n_jobs", 1))
    return _side_by_side(trial, at_once) if at_once > 1 else _outcome_of(trial)


def run(trial: Trial) -> Outcome:
    """Gives the result of a trial if it has one. Else it goes on with the trial, or begins it.
    Raises what the training raises; the trial's directory then has the failure on record."""
    pruning = trial.config.sweep.reduction_factor
    try:
        found = trial.find()
        if found is not None:
            _wait_for(found)
            done = trial.outcome(new=False)
            # Without pruning, one that was pruned goes on.
            if done and (done.status == "completed" or (done.status == "pruned" and pruning)):
                return done
        elif is_rank_zero():
            trial.place()
        path, callbacks = trial.path, [Halving(trial.path, pruning)] if pruning else []
        with contextlib.suppress(Pruned):
            if found is not None and is_rank_zero():
                resume(str(path), path, [], resolved=trial.resolved, callbacks=callbacks)
            else:
                train(
                    trial.resolved.config,
                    path,
                    trial.recompose,
                    trial.overrides,
                    sweep=trial.sweep.name,
                    resolved=trial.resolved,
                    callbacks=callbacks,
                )
    except Exception as error:
        if is_rank_zero():
            trial.failed(error)
        raise
    outcome = trial.outcome()
    assert outcome is not None
    return outcome


def _side_by_side(trial: Trial, at_once: int) -> Outcome:
    """Runs a trial that shares the machine and the terminal with others. It prints nothing: what it
    has to say is in its train.log."""
    stopped = Outcome(trial.path.name, "stopped")
    if worker.stopping:
        return stopped
    try:
        with (
            worker.trial(trial.sweep.path, at_once),
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            return _outcome_of(trial)
    except (Stopped, KeyboardInterrupt):
        worker.stopping = True
        return stopped


def _outcome_of(trial: Trial) -> Outcome:
    try:
        return run(trial) if processes(trial.config.trainer) == 1 else _run_in_processes(trial)
    except Exception as error:
        return trial.failed(error)
    finally:
        # The next trial needs the memory of this one, on a GPU above all.
        release_memory()


def _run_in_processes(trial: Trial) -> Outcome:
    """Runs a trial of several devices in a process of its own, which starts one for each device:
    Lightning's DDP can start once in the life of a process.

    Raises:
        UserError: it ended without a result.
        Stopped: a signal ended that process, as Ctrl-C does.
    """
    if trial.find() is None:
        trial.place()
    own = [f"hydra.run.dir={quoted(str(trial.path))}", *_own_config()]
    done = subprocess.run([sys.executable, "-m", "imdb_cls.train", *trial.overrides, *own])
    if done.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        raise Stopped(done.returncode - 128)
    reason = f"its process ended with {done.returncode}"
    if trial.run.record_file.is_file():
        if outcome := trial.outcome():
            return outcome
        trial.run.record(status="failed", finished=now(), reason=reason)
    raise UserError(reason)


def _own_config() -> list[str]:
    """The flags that name a config which is not conf/train.yaml."""
    hydra = HydraConfig.get()
    given = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
    flags = [f"--config-dir={path}" for path in given]
    return [*flags, *([f"--config-name={hydra.job.config_name}"] if flags else [])]


def _wait_for(run: Run) -> None:
    """Waits for a process that is still at the run: a trial of a sweep that was killed a moment ago
    may be about to save its checkpoint."""
    until = time.monotonic() + _ENDING_S
    while is_rank_zero() and held(run.log_file) and time.monotonic() < until:
        time.sleep(0.1)
