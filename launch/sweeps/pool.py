"""Runs the trials of a sweep as jobs side by side."""

import sys
from collections import deque
from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from imdb_cls.config import BackendConfig, parse
from imdb_cls.config.overrides import task_overrides
from imdb_cls.errors import UserError
from imdb_cls.runs.outcome import Outcome
from imdb_cls.runs.run import Run
from imdb_cls.runs.sweep import Sweep
from imdb_cls.sweeps.live import Row, live_table
from imdb_cls.sweeps.runners import HydraSweep
from imdb_cls.sweeps.search import Search
from imdb_cls.sweeps.trial import Trial
from imdb_cls.training.complete import complete, is_complete
from imdb_cls.training.resolve import Recompose
from launch.aws.client import QuotaReached
from launch.aws.waiting import look_until_over
from launch.sweeps.trial import LiveJob, begin, dry
from launch.training.ending import lacked_machine
from launch.training.follow import describe_all
from launch.training.instance_types import after
from launch.training.submit import Submitter


def check_sweep(hydra: HydraSweep, backend: BackendConfig) -> None:
    """Raises UserError for a setting that a single job may have, and a sweep may not."""
    if backend.job_name:
        raise UserError(
            f"backend.job_name={backend.job_name} is the name of one job: leave it out of a sweep"
        )
    if (factor := hydra.settings.reduction_factor) is not None:
        raise UserError(
            f"sweep.reduction_factor={factor}: trials are pruned on this machine only, jobs are"
            " not: leave it out"
        )
    if not backend.wait and hydra.settings.search != "grid":
        raise UserError(
            "backend.wait=false: a search learns from its trials, so it has to wait for them;"
            " Ctrl-C leaves its jobs running, and the same command attaches to them"
        )


class Pool:
    """Runs trials as jobs, at most backend.max_parallel at once."""

    def __init__(
        self,
        hydra: HydraSweep,
        backend: BackendConfig,
        sweep: Sweep,
        search: Search,
        submitter: Submitter,
        recompose: Recompose,
    ) -> None:
        self.hydra, self.backend, self.sweep, self.search = hydra, backend, sweep, search
        self.submitter, self.recompose = submitter, recompose
        self.account, self.screen = submitter.account, submitter.screen
        self.at_once = backend.max_parallel
        self._active: dict[int, LiveJob] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._last: dict[int, Row] = {}
        """The row that was last shown of each job that is over."""
        self._batch: dict[int, list[str]] = {}
        """The overrides of the trials, by their numbers."""
        self._waiting: deque[int] = deque()
        self._others: dict[int, BackendConfig] = {}
        """The backends of trials whose first instance type could not be had."""

    def run(self, batch: list[list[str]], first: int) -> list[Outcome]:
        """Raises UserError if AWS does not answer, or refuses to: the jobs that were sent go on."""
        self._batch = dict(enumerate(batch, start=first))
        self._waiting = deque(self._batch)
        labels = {number: self.search.label(given) for number, given in self._batch.items()}
        if self.account.aws is None:
            return [self.hydra.run(o, n, partial(self._dry, n)) for n, o in self._batch.items()]

        def look() -> bool:
            self._fill()
            self._look()
            show([self._row(number, label) for number, label in labels.items()])
            return not (self.backend.wait and (self._waiting or self._active))

        try:
            with live_table(self.screen, self.hydra.metric) as show:
                seconds = self.account.poll_seconds
                look_until_over(look, seconds, self.screen.say, "the jobs go on, ")
        except KeyboardInterrupt:
            # It leaves the jobs alone, unless they are a rehearsal's.
            if not self.account.rehearsal and self._active:
                self.screen.say(
                    f"detached: {len(self._active)} jobs go on, and the same command attaches to"
                    f" them. Stop one: python -m launch.jobs stop {self.sweep.path}/…"
                )
            sys.exit(130)
        if not self.backend.wait:
            return self._submitted(list(labels))
        self._finish()
        return [self._outcomes[number] for number in labels]

    def _fill(self) -> None:
        """Starts trials while there is room for them."""
        later = []
        while self._waiting and len(self._active) < self.at_once:
            number = self._waiting[0]
            try:
                begun = self.hydra.run(self._batch[number], number, partial(self._begin, number))
            except QuotaReached as error:
                if not self._active:
                    raise
                self.at_once = len(self._active)
                self.screen.say(f"{error}; so {self.at_once} at once")
                break
            self._waiting.popleft()
            if begun is None:
                later.append(number)
            elif isinstance(begun, Outcome):
                self._outcomes[number] = begun
            else:
                self._active[number] = begun
        self._waiting.extend(later)

    def _begin(self, number: int, composed: DictConfig) -> Outcome | LiveJob | None:
        active = {job.fingerprint for job in self._active.values()}
        return begin(self._trial(number, composed), self.submitter, active)

    def _dry(self, number: int, composed: DictConfig) -> Outcome:
        return dry(self._trial(number, composed), self.submitter)

    def _trial(self, number: int, composed: DictConfig) -> Trial:
        config = parse(composed)
        config.backend = self._others.get(number, self.backend)
        path = Path(HydraConfig.get().runtime.output_dir)
        return Trial(config, path, task_overrides(), self.recompose)

    def _look(self) -> None:
        """Looks at every job once, and fetches what is left by those that are over."""
        known = {job.name: job.description for job in self._active.values()}
        described = describe_all(self.account.client, known)
        for number, job in list(self._active.items()):
            if job.look(described[job.name]):
                outcome, other = job.ended(), after(job.run, self.backend)
                if other and lacked_machine(job.description):
                    following = other.instance_types[0]
                    self.screen.say(f"trial {outcome.trial}: {outcome.reason}; next: {following}")
                    self._others[number] = other
                    self._waiting.append(number)
                else:
                    self._outcomes[number] = outcome
                self._last[number] = job.row("")
                del self._active[number]

    def _finish(self) -> None:
        """Completes the run directories. That waits until no job is left to be looked at."""
        for outcome in self._outcomes.values():
            run = Run(self.sweep.path / outcome.trial)
            if outcome.status == "completed" and not is_complete(run):
                complete(run, self.screen)

    def _submitted(self, numbers: list[int]) -> list[Outcome]:
        if self._waiting:
            self.screen.say(
                f"{len(self._waiting)} trials are not submitted yet: the same command goes on"
            )
        sent = {number: job.run.path.name for number, job in self._active.items()}
        return [
            self._outcomes.get(number, Outcome(sent.get(number, str(number)), "submitted"))
            for number in numbers
        ]

    def _row(self, number: int, label: str) -> Row:
        if outcome := self._outcomes.get(number):
            last = self._last.get(number, Row(outcome.trial, label, "", "", "", ""))
            best = "" if outcome.value is None else f"{outcome.value:.4f}"
            return replace(last, overrides=label, phase=outcome.status, best=best)
        if job := self._active.get(number):
            return job.row(label)
        return Row(str(number), label, "waiting", "", "", "")
