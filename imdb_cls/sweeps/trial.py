"""One trial of a sweep: the result that it has already, what is left of it, or all of it."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig

from imdb_cls.config import Config
from imdb_cls.config.overrides import quoted
from imdb_cls.errors import UserError, as_user_error, one_line
from imdb_cls.model.device import processes
from imdb_cls.runs.fingerprint import fingerprint
from imdb_cls.runs.outcome import Outcome, outcome_of, record_failure
from imdb_cls.runs.records import held
from imdb_cls.runs.run import Run, now
from imdb_cls.runs.sweep import Sweep
from imdb_cls.sweeps.pruning import Halving
from imdb_cls.sweeps.worker import worker
from imdb_cls.terminal import is_rank_zero
from imdb_cls.training.checkpoints import Pruned, Stopped
from imdb_cls.training.fit import resume, train
from imdb_cls.training.resolve import Recompose, Settled, settle

# Seconds that a trial may need to end that another process is still at.
_ENDING_S = 30.0


def run_trial(config: Config, wanted: Path, overrides: list[str], recompose: Recompose) -> Outcome:
    """What a sweep calls for each trial. Whatever goes wrong in it is its outcome; only being
    stopped ends the sweep too.

    Args:
        wanted: the directory that Hydra made for it.
    """
    trial = Trial(config, wanted, overrides, recompose)
    at_once = int(HydraConfig.get().launcher.get("n_jobs", 1))
    if at_once > 1:
        return _side_by_side(trial, at_once)
    try:
        return _caught(trial)
    except Stopped as stop:
        sys.exit(128 + stop.signum)


def _side_by_side(trial: "Trial", at_once: int) -> Outcome:
    """A trial that has the machine not for itself, and not the terminal: what it says is in its
    train.log."""
    if worker.stopping:
        return Outcome(trial.path.name, "stopped")
    try:
        with (
            worker.trial(trial.sweep.path, at_once),
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            return _caught(trial)
    except (Stopped, KeyboardInterrupt):
        worker.stopping = True
        return Outcome(trial.path.name, "stopped")


def _caught(trial: "Trial") -> Outcome:
    try:
        return trial.run() if processes(trial.config.trainer) == 1 else trial.run_in_processes()
    except Exception as error:
        return Outcome(trial.path.name, "failed", None, one_line(as_user_error(error) or error))
    finally:
        # Of one trial nothing is left in memory for the next, on a GPU above all.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class Trial:
    """
    Args:
        wanted: where it begins, if it has no directory yet and no other trial has this one.
        overrides: the task's, as typed.
    """

    def __init__(
        self, config: Config, wanted: Path, overrides: list[str], recompose: Recompose
    ) -> None:
        self.config, self.overrides, self.recompose = config, overrides, recompose
        self.sweep = Sweep(wanted.absolute().parent)
        self.path = wanted.absolute()
        """Where it lies."""

    def run(self) -> Outcome:
        """Its result, if it has one; else goes on with it, or begins it.

        Raises:
            Exception: it failed, which is on record in its directory.
        """
        try:
            settled, found = self._find()
            if found is not None:
                _wait_for(found)
                if done := self._ended(found):
                    return done
            elif is_rank_zero():
                self.path = self.sweep.place(self.path, self.overrides)
            self._train(settled, found)
        except Exception as error:
            if is_rank_zero() and not Run(self.path).record_file.is_file():
                self.path = self.sweep.place(self.path, self.overrides)
                record_failure(self.config, self.path, self.overrides, error, self.sweep.name)
            raise
        outcome = outcome_of(Run(self.path), self.config.metric)
        assert outcome is not None
        return outcome

    def run_in_processes(self) -> Outcome:
        """The same in a process of its own, which starts one for each device: what those share is
        theirs only once in the life of a process.

        Raises:
            UserError: it ended without a result.
            Stopped: by a signal that it got itself, as from Ctrl-C.
        """
        _, found = self._find()
        if found is None:
            self.path = self.sweep.place(self.path, self.overrides)
        own = [f"hydra.run.dir={quoted(str(self.path))}", *_own_config()]
        done = subprocess.run([sys.executable, "-m", "imdb_cls.train", *self.overrides, *own])
        if done.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            raise Stopped(done.returncode - 128)
        run = Run(self.path)
        outcome = outcome_of(run, self.config.metric) if run.record_file.is_file() else None
        if outcome is None:
            reason = f"its process ended with {done.returncode}"
            if run.record_file.is_file():
                run.record(status="failed", finished=now(), reason=reason)
            raise UserError(reason)
        return outcome

    def _find(self) -> tuple[Settled, Run | None]:
        """What its config came to, and the run that it is already."""
        settled = settle(self.config, self.recompose)
        for config in (self.config, settled.config):
            if config.logger.wandb and config.logger.wandb.group is None:
                config.logger.wandb.group = self.sweep.name
        found = self.sweep.find(fingerprint(settled.config, settled.resolved))
        if found is not None:
            if is_rank_zero() and found.path != self.path:
                with contextlib.suppress(OSError):  # the empty directory that Hydra made for it
                    self.path.rmdir()
            self.path = found.path
        return settled, found

    def _ended(self, found: Run) -> Outcome | None:
        done = outcome_of(found, self.config.metric, again=False)
        if done is None or done.status == "failed":
            return None
        # Without pruning, one that was pruned goes on.
        return done if done.status == "completed" or self.config.sweep.reduction_factor else None

    def _train(self, settled: Settled, found: Run | None) -> None:
        callbacks = []
        if self.config.sweep.reduction_factor:
            callbacks.append(Halving(self.path, self.config.sweep.reduction_factor))
        path = self.path
        with contextlib.suppress(Pruned):
            if found is not None and is_rank_zero():
                resume(str(path), path, [], settled=settled, callbacks=callbacks)
                return
            train(
                *(settled.config, path, self.recompose, self.overrides),
                sweep=self.sweep.name,
                settled=settled,
                callbacks=callbacks,
            )


def _own_config() -> list[str]:
    """The flags that name a config which is not conf/train.yaml."""
    hydra = HydraConfig.get()
    given = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
    flags = [f"--config-dir={path}" for path in given]
    return [*flags, *([f"--config-name={hydra.job.config_name}"] if flags else [])]


def _wait_for(run: Run) -> None:
    """Of a sweep that was killed a moment ago, a trial may be about to save its checkpoint."""
    until = time.monotonic() + _ENDING_S
    while is_rank_zero() and held(run.log_file) and time.monotonic() < until:
        time.sleep(0.1)
