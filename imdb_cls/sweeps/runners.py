"""Who runs the trials of a sweep on this machine: Hydra's launchers."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, Protocol

from hydra.core.plugins import Plugins
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from imdb_cls.config import Config, SweepConfig, with_type
from imdb_cls.config.overrides import quoted
from imdb_cls.runs.outcome import Outcome
from imdb_cls.runs.sweep import Sweep
from imdb_cls.sweeps.search import Search
from imdb_cls.terminal import Screen


class Runner(Protocol):
    at_once: int
    """How many trials it runs side by side."""

    def run(self, batch: list[list[str]], first: int) -> list[Outcome]:
        """Runs trials, of which the first has this number. Gives their outcomes in that order."""


class HydraSweep:
    """Hydra's part of a sweep: it composes a config for each trial, and calls the trials."""

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.config = context, task, config

    @property
    def launcher_name(self) -> str:
        return str(self.config.hydra.runtime.choices["hydra/launcher"])

    @property
    def settings(self) -> SweepConfig:
        """The config's `sweep`. The defaults hold for a config without it, such as a run's."""
        return with_type(SweepConfig, self.config.get("sweep") or {})

    @property
    def metric(self) -> str:
        return str(self.config.get("metric") or Config.metric)

    def is_given(self, key: str) -> bool:
        """Whether the command line sets a key of Hydra's own."""
        return any(o.startswith(f"{key}=") for o in self.config.hydra.overrides.hydra)

    def fix(self, key: str, value: object) -> None:
        """Gives a setting of Hydra's own a value that holds in other processes, too."""
        OmegaConf.update(self.config, f"hydra.{key}", value, force_add=True)
        with open_dict(self.config):
            self.config.hydra.overrides.hydra.append(f"++hydra.{key}={quoted(str(value))}")

    def compose(self, overrides: list[str], number: int) -> DictConfig:
        composed = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(composed):
            composed.hydra.job.id, composed.hydra.job.num = str(number), number
        return composed

    def run(self, overrides: list[str], number: int, task: TaskFunction) -> Any:
        """Calls `task` with a trial's config, in its directory. Returns what `task` returns. Raises
        whatever `task` raises."""

        def kept(composed: DictConfig) -> Any:
            # Hydra would print an exception, with all overrides, before it raises it.
            try:
                return task(composed)
            except Exception as error:
                return error

        setup_globals()
        done = run_job(
            task_function=kept,
            config=self.compose(overrides, number),
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        if isinstance(done.return_value, Exception):
            raise done.return_value
        return done.return_value

    def launch(self, batch: list[list[str]], first: int) -> list[Outcome]:
        """Runs trials by Hydra's launcher."""
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task, config=self.config
        )
        return [job.return_value for job in launcher.launch(batch, initial_job_idx=first)]


class LocalRunner:
    """One trial after the other in this process; by a launcher other than Hydra's own as many at
    once as it allows, in processes of their own, under one live table."""

    def __init__(self, hydra: HydraSweep, sweep: Sweep, search: Search, screen: Screen) -> None:
        self.hydra, self.sweep, self.search, self.screen = hydra, sweep, search, screen
        self.at_once = 1
        if "n_jobs" in hydra.config.hydra.launcher:
            import joblib

            from imdb_cls.sweeps.worker import trials_at_once

            # joblib's own default is a trial for every core.
            given = hydra.is_given("hydra.launcher.n_jobs")
            count = hydra.config.hydra.launcher.n_jobs if given else trials_at_once()
            self.at_once = joblib.effective_n_jobs(count)
            hydra.fix("launcher.n_jobs", self.at_once)

    def run(self, batch: list[list[str]], first: int) -> list[Outcome]:
        if self.hydra.launcher_name != "basic":
            return self._side_by_side(batch, first)
        outcomes = []
        for number, overrides in enumerate(batch, start=first):
            which = f"{number + 1} of {self.search.total}"
            self.screen.rule(f"trial {number} ({which}): {self.search.label(overrides)}")
            outcomes += self.hydra.launch([overrides], number)
            self.screen.say(str(outcomes[-1]))
        return outcomes

    def _side_by_side(self, batch: list[list[str]], first: int) -> list[Outcome]:
        from imdb_cls.sweeps.live import watched

        # The same trial must not run twice at once.
        different = [list(trial) for trial in dict.fromkeys(map(tuple, batch))]
        with _patient(self.screen), watched(self.sweep, self.screen):
            outcomes = self.hydra.launch(different, first)
        if any(outcome.status == "stopped" for outcome in outcomes):
            sys.exit(128 + signal.SIGINT)
        return [outcomes[different.index(trial)] for trial in batch]


@contextlib.contextmanager
def _patient(screen: Screen) -> Iterator[None]:
    """Waits after Ctrl-C until every trial, which gets it too, has saved its checkpoint. A second
    Ctrl-C ends the process at once."""

    def note(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, previous)
        screen.say("stopping: every trial saves its checkpoint; Ctrl-C once more ends at once")

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
