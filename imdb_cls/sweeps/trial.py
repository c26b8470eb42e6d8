"""One trial of a sweep, wherever it runs: what its config comes to, where it lies, how it ended."""

import contextlib
import os
from functools import cached_property
from pathlib import Path

from imdb_cls.config import Config
from imdb_cls.errors import as_user_error, one_line
from imdb_cls.runs.outcome import Outcome, outcome_of, record_failure
from imdb_cls.runs.run import Run
from imdb_cls.runs.sweep import Sweep
from imdb_cls.terminal import is_rank_zero
from imdb_cls.training.resolve import Recompose, ResolvedConfig, resolve


class Trial:
    """Trials with equal fingerprints are the same, and share one run directory.

    Args:
        wanted: the directory that it gets, unless it has one already or another trial has this one.
        overrides: of the task, as typed.
    """

    def __init__(
        self, config: Config, wanted: Path, overrides: list[str], recompose: Recompose
    ) -> None:
        self.config, self.overrides, self.recompose = config, overrides, recompose
        self.path = wanted.absolute()
        """Where it lies, or is to lie."""
        self.sweep = Sweep(self.path.parent)

    @property
    def run(self) -> Run:
        return Run(self.path)

    @cached_property
    def resolved(self) -> ResolvedConfig:
        """Raises UserError if its reviews or weights cannot be had."""
        found = resolve(self.config, self.recompose)
        for config in (self.config, found.config):
            if config.logger.wandb and config.logger.wandb.group is None:
                # wandb's own variable counts more than our default, in the job of a trial too.
                group = os.environ.get("WANDB_RUN_GROUP") or self.sweep.name
                config.logger.wandb.group = group
        return found

    def find(self, rehearsed: bool = True) -> Run | None:
        """The run of an earlier attempt at this trial, in whatever directory. If there is one, it
        becomes the trial's directory. `rehearsed`: whether the run of a rehearsal counts."""
        found = self.sweep.find(self.resolved.fingerprint, rehearsed)
        if found is not None and found.path.absolute() != self.path:
            if is_rank_zero():
                with contextlib.suppress(OSError):  # the empty directory that Hydra made for it
                    self.path.rmdir()
            self.path = found.path.absolute()
        return found

    def place(self) -> None:
        """Gives a new trial a directory that no other trial has."""
        self.path = self.sweep.place(self.path, self.overrides)

    def outcome(self, new: bool = True) -> Outcome | None:
        """How it ended; None if it has not. `new`: whether it ran in this command."""
        return outcome_of(self.run, self.config.metric, new)

    def failed(self, error: Exception) -> Outcome:
        """Records why it failed, unless its run has recorded that itself."""
        if not self.run.record_file.is_file():
            self.place()
            record_failure(self.config, self.path, self.overrides, error, self.sweep.name)
        return Outcome(self.path.name, "failed", None, one_line(as_user_error(error) or error))
