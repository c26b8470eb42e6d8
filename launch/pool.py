"""The trials of a sweep as jobs side by side: one price before, one look at them all meanwhile."""

import contextlib
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from imdb_cls.config import BackendConfig, Config, parse
from imdb_cls.errors import UserError, one_line
from imdb_cls.overrides import task_overrides
from imdb_cls.run import Run, fingerprint
from imdb_cls.settle import Recompose, Settled, settle
from imdb_cls.storage import write_json
from imdb_cls.sweeps.directory import Sweep
from imdb_cls.sweeps.live import LiveTable, Row
from imdb_cls.sweeps.outcome import Outcome, outcome_of, record_failure
from imdb_cls.sweeps.runners import Jobs
from imdb_cls.sweeps.search import Search
from imdb_cls.terminal import Screen
from launch.aws import AWS, ConnectionLost, QuotaReached
from launch.budget import Budget
from launch.sagemaker import submit, upload
from launch.submission import prepare
from launch.tracked import Tracked

# Seconds without an answer after which looking gives up; the jobs themselves go on.
_PATIENCE = 1800.0


def check(backend: BackendConfig, search: Search) -> None:
    """
    Raises:
        UserError: a setting that a single job may have, and a sweep may not.
    """
    if backend.job_name:
        raise UserError(
            f"backend.job_name={backend.job_name} is the name of one job: leave it out of a sweep"
        )
    if not backend.wait and search.learns:
        raise UserError(
            "backend.wait=false: a search learns from its trials, so it has to wait for them;"
            " Ctrl-C leaves its jobs running, and the same command attaches to them"
        )


class Pool:
    """Runs trials as jobs, at most backend.max_parallel at once.

    Args:
        aws: None: a dry run.
    """

    def __init__(
        self,
        jobs: Jobs,
        backend: BackendConfig,
        aws: AWS | None,
        sweep: Sweep,
        search: Search,
        budget: Budget,
        screen: Screen,
        recompose: Recompose,
    ) -> None:
        self.jobs, self.aws, self.sweep, self.search = jobs, aws, sweep, search
        self.backend = replace(backend, max_cost=budget.each)
        self.screen, self.recompose = screen, recompose
        self.metric = str(jobs.config.metric)
        self.at_once = backend.max_parallel
        self._active: dict[int, Tracked] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._last: dict[int, Row] = {}
        """What was last shown of a job."""
        self._waiting: deque[tuple[int, list[str]]] = deque()
        self._announced = False

    def run(self, batch: list[list[str]], first: int) -> list[Outcome]:
        """
        Raises:
            UserError: AWS does not answer, or refuses to: the jobs that were sent go on.
        """
        self._waiting = deque(enumerate(batch, start=first))
        labels = {number: self.search.label(overrides) for number, overrides in self._waiting}
        if self.aws is None:
            return [self.jobs.run(overrides, n, self._dry) for n, overrides in self._waiting]
        lost_at: float | None = None
        with self._detaching(), LiveTable(self.screen, self.metric) as table:
            while self._waiting or self._active:
                try:
                    self._fill()
                    self._look()
                    lost_at = None
                except ConnectionLost as error:
                    if lost_at is None:
                        lost_at = time.monotonic()
                        self.screen.say(f"{error}; the jobs go on, trying again")
                    if time.monotonic() - lost_at > _PATIENCE:
                        raise UserError(str(error)) from None
                table.show([self._row(number, label) for number, label in labels.items()])
                if not self.backend.wait:
                    return self._submitted(list(labels))
                if self._active:
                    time.sleep(self.backend.poll_seconds)
        return [self._outcomes[number] for number in labels]

    def _fill(self) -> None:
        """Starts trials while there is room for them."""
        later = []
        while self._waiting and len(self._active) < self.at_once:
            number, overrides = self._waiting[0]
            try:
                begun = self.jobs.run(overrides, number, self._begin)
            except QuotaReached as error:
                if not self._active:
                    raise
                self.at_once = len(self._active)
                self.screen.say(f"{error}; so {self.at_once} at once")
                break
            self._waiting.popleft()
            if begun is None:
                later.append((number, overrides))
            elif isinstance(begun, Outcome):
                self._outcomes[number] = begun
            else:
                self._active[number] = begun
        self._waiting.extend(later)

    def _begin(self, composed: DictConfig) -> Outcome | Tracked | None:
        """A trial's outcome, or its job; None: the same trial is at work, so this one waits."""
        config, wanted, overrides = self._of(composed)
        try:
            settled = settle(config, self.recompose)
        except UserError as error:
            return self._failed(config, wanted, overrides, error)
        mark = fingerprint(settled.config, settled.resolved)
        if any(job.fingerprint == mark for job in self._active.values()):
            return None
        found = self.sweep.find(mark, rehearsed=self.backend.rehearse)
        if found is None:
            path = self.sweep.place(wanted, overrides)
            return self._submit(config, settled, Run(path), overrides)
        with contextlib.suppress(OSError):
            wanted.rmdir()
        done = outcome_of(found, self.metric, again=False)
        if done and done.status in ("completed", "pruned"):
            return done
        return self._go_on(config, settled, found, overrides)

    def _go_on(
        self, config: Config, settled: Settled, run: Run, overrides: list[str]
    ) -> Outcome | Tracked:
        """With a trial that has not completed: the job that is at work on it, or a new one from the
        last one's checkpoint."""
        info = run.info()
        if info.get("job_name") is None:
            reason = "begun on this machine: go on with it here, or give another hydra.sweep.dir"
            return Outcome(run.path.name, "failed", None, reason)
        assert self.aws is not None
        if run.has_live_job():
            job = Tracked(run, self.aws, self.metric)
            if not job.look():
                return job
            done = job.ended()
            if done.status == "completed":
                return done
        return self._submit(config, settled, run, overrides, run.info())

    def _submit(
        self,
        config: Config,
        settled: Settled,
        run: Run,
        overrides: list[str],
        before: dict[str, Any] | None = None,
    ) -> Outcome | Tracked:
        """
        Args:
            before: run.json of an earlier job, to go on from.

        Raises:
            UserError: AWS refuses the job, and would refuse the next one too.
        """
        assert self.aws is not None
        with tempfile.TemporaryDirectory(prefix="imdb_cls-") as temporary:
            try:
                made = prepare(
                    *(config, Path(temporary), run, self.recompose, overrides, self.aws),
                    settled=settled,
                    sweep=self.sweep.name,
                    continues=before["job"].get("checkpoints") if before else None,
                )
            except UserError as error:
                return self._failed(config, run.path, overrides, error)
            if not self._announced:
                self._announced = True
                if settled.announcement:
                    self.screen.warn("the Hub cannot be reached", settled.announcement)
                made.plan.show(self.screen.console)
            if sent := upload(made, self.aws):
                self.screen.say(f"uploaded {sent} files to s3://{made.store.bucket}")
            submit(made, self.aws, run, overrides, before)
        return Tracked(run, self.aws, self.metric)

    def _failed(
        self, config: Config, wanted: Path, overrides: list[str], error: UserError
    ) -> Outcome:
        """Records a trial for which no job could be made."""
        run = Run(wanted)
        if not run.record_file.is_file():
            run = Run(self.sweep.place(wanted, overrides))
            record_failure(config, run.path, overrides, error, self.sweep.name)
        return Outcome(run.path.name, "failed", None, one_line(error))

    def _dry(self, composed: DictConfig) -> Outcome:
        """Writes a trial's request and shows the plan of the first."""
        config, wanted, overrides = self._of(composed)
        with tempfile.TemporaryDirectory(prefix="imdb_cls-") as temporary:
            made = prepare(
                *(config, Path(temporary), Run(wanted), self.recompose, overrides, None),
                sweep=self.sweep.name,
            )
            if not self._announced:
                self._announced = True
                made.plan.show(self.screen.console)
            write_json(wanted / "request.json", made.request)
        self.screen.say(f"dry run: nothing was sent; the request is in {wanted / 'request.json'}")
        return Outcome(wanted.name, "submitted")

    def _of(self, composed: DictConfig) -> tuple[Config, Path, list[str]]:
        config = parse(composed)
        config.backend = self.backend
        if config.logger.wandb and config.logger.wandb.group is None:
            config.logger.wandb.group = self.sweep.name
        return config, Path(HydraConfig.get().runtime.output_dir), task_overrides()

    def _look(self) -> None:
        """At every job once; fetches what those left that are over."""
        for number, job in list(self._active.items()):
            if job.look():
                self._outcomes[number] = job.ended()
                self._last[number] = job.row("")
                del self._active[number]

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

    @contextlib.contextmanager
    def _detaching(self) -> Iterator[None]:
        """Ctrl-C leaves the jobs alone, unless they are a rehearsal's."""
        try:
            yield
        except KeyboardInterrupt:
            if not self.backend.rehearse and self._active:
                self.screen.say(
                    f"detached: {len(self._active)} jobs go on, and the same command attaches to"
                    f" them. Stop one: python -m launch.jobs stop {self.sweep.path}/…"
                )
            sys.exit(130)
