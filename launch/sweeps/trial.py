"""One trial of a sweep as a job: the result that it has, the job that is at work on it, or a new
one."""

import contextlib
import tempfile
from collections.abc import Collection
from pathlib import Path

from imdb_cls.config import Config
from imdb_cls.errors import UserError, one_line
from imdb_cls.runs.fingerprint import fingerprint
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.outcome import Outcome, outcome_of, record_failure
from imdb_cls.runs.run import Run
from imdb_cls.runs.sweep import Sweep
from imdb_cls.storage import write_json
from imdb_cls.terminal import Screen
from imdb_cls.training.resolve import Recompose, ResolvedConfig, resolve
from launch.aws.client import AWS
from launch.sweeps.live_job import Tracked
from launch.training.submission import Submission, prepare
from launch.training.submit import submit, upload


class Trials:
    """
    Args:
        aws: None: a dry run.
        metric: of the sweep.
    """

    def __init__(
        self, sweep: Sweep, aws: AWS | None, metric: str, screen: Screen, recompose: Recompose
    ) -> None:
        self.sweep, self.aws, self.metric = sweep, aws, metric
        self.screen, self.recompose = screen, recompose
        self._announced = False

    def begin(
        self, config: Config, wanted: Path, overrides: list[str], active: Collection[str] = ()
    ) -> Outcome | Tracked | None:
        """A trial's outcome, or its job; None: the same trial is at work, so this one waits.

        Args:
            wanted: where it begins, if it has no directory yet and no other trial has this one.
            active: the fingerprints of those at work.

        Raises:
            UserError: AWS refuses a job, and would refuse the next one too.
        """
        assert config.backend is not None
        self._group(config)
        try:
            resolved = resolve(config, self.recompose)
        except UserError as error:
            return self._failed(config, wanted, overrides, error)
        self._group(resolved.config)
        mark = fingerprint(resolved.config, resolved.record)
        if mark in active:
            return None
        found = self.sweep.find(mark, rehearsed=config.backend.rehearse)
        if found is None:
            path = self.sweep.place(wanted, overrides)
            return self._submit(config, resolved, Run(path), overrides)
        if found.path.absolute() != wanted.absolute():
            with contextlib.suppress(OSError):  # the empty directory that Hydra made for it
                wanted.rmdir()
        done = outcome_of(found, self.metric, again=False)
        if done and done.status in ("completed", "pruned"):
            return done
        return self._go_on(config, resolved, found, overrides)

    def dry(self, config: Config, wanted: Path, overrides: list[str]) -> Outcome:
        """Writes a trial's request."""
        self._group(config)
        with tempfile.TemporaryDirectory(prefix="imdb_cls-") as temporary:
            made = prepare(
                *(config, Path(temporary), Run(wanted), self.recompose, overrides, None),
                sweep=self.sweep.name,
            )
            self._announce(made)
            write_json(wanted / "request.json", made.request)
        self.screen.say(f"dry run: nothing was sent; the request is in {wanted / 'request.json'}")
        return Outcome(wanted.name, "submitted")

    def _go_on(
        self, config: Config, resolved: ResolvedConfig, run: Run, overrides: list[str]
    ) -> Outcome | Tracked:
        """With a trial that has not completed: the job that is at work on it, or a new one from the
        last one's checkpoint."""
        info = run.info()
        if info.job_name is None:
            reason = "begun on this machine: go on with it here, or give another hydra.sweep.dir"
            return Outcome(run.path.name, "failed", None, reason)
        assert self.aws is not None
        if info.is_live_job:
            job = Tracked(run, self.aws, self.metric)
            if not job.look():
                return job
            done = job.ended()
            if done.status == "completed":
                return done
        return self._submit(config, resolved, run, overrides, run.info())

    def _submit(
        self,
        config: Config,
        resolved: ResolvedConfig,
        run: Run,
        overrides: list[str],
        before: RunInfo | None = None,
    ) -> Outcome | Tracked:
        """
        Args:
            before: the record of an earlier job, to go on from.
        """
        assert self.aws is not None
        with tempfile.TemporaryDirectory(prefix="imdb_cls-") as temporary:
            try:
                made = prepare(
                    *(config, Path(temporary), run, self.recompose, overrides, self.aws),
                    resolved=resolved,
                    sweep=self.sweep.name,
                    continues=before.job.checkpoints if before and before.job else None,
                )
            except UserError as error:
                return self._failed(config, run.path, overrides, error)
            self._announce(made)
            upload(made, self.aws)
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

    def _announce(self, made: Submission) -> None:
        """The plan of the first stands for all."""
        if not self._announced:
            self._announced = True
            if made.resolved.announcement:
                self.screen.warn("the Hub cannot be reached", made.resolved.announcement)
            made.plan.show(self.screen.console)

    def _group(self, config: Config) -> None:
        if config.logger.wandb and config.logger.wandb.group is None:
            config.logger.wandb.group = self.sweep.name
