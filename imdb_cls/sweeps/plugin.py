"""The sweeper that Hydra calls for `python -m imdb_cls.train -m …`.

It checks every trial before the first one starts, goes on with a sweep that was begun earlier, and
carries on when a trial fails.
"""

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from imdb_cls.config import BackendConfig, Config, parse, with_type
from imdb_cls.config.overrides import without_place
from imdb_cls.errors import UserError
from imdb_cls.names import lower_is_better
from imdb_cls.runs.fingerprint import code
from imdb_cls.runs.run import now
from imdb_cls.runs.sweep import Sweep, begun, identity
from imdb_cls.sweeps import search
from imdb_cls.sweeps.runners import HydraSweep, LocalRunner, Runner
from imdb_cls.sweeps.search import Grid, Search
from imdb_cls.terminal import Screen


def register(backend: Callable[[], ModuleType], recompose: Callable[[list[str]], Config]) -> None:
    """Makes TrialSweeper known to Hydra; conf/train.yaml names it.

    Args:
        backend: gives the module whose `sweep` runs trials as jobs.
        recompose: as imdb_cls.training.resolve.resolve takes it.
    """
    TrialSweeper.backend, TrialSweeper.recompose = backend, recompose
    # Hydra looks for installed plugins now, before there is a module that none of them lies in.
    plugins = Plugins.instance()
    # Hydra takes plugins from a package named hydra_plugins only. It is made here rather than
    # installed: other programs of the same environment have no use for it.
    TrialSweeper.__module__ = "hydra_plugins.imdb_cls"
    for name in ("hydra_plugins", TrialSweeper.__module__):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules[TrialSweeper.__module__].TrialSweeper = TrialSweeper  # type: ignore[attr-defined]
    plugins.register(TrialSweeper)


class TrialSweeper(Sweeper):
    """
    Args:
        params: the search space of a config, by key. An override of a key wins over it.
        max_batch_size: Hydra passes it to every sweeper; it has no use here.
    """

    backend: ClassVar[Callable[[], ModuleType]]
    recompose: ClassVar[Callable[[list[str]], Config]]

    def __init__(
        self, params: dict[str, str] | None = None, max_batch_size: int | None = None
    ) -> None:
        self.params = {str(key): str(value) for key, value in (params or {}).items()}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra = HydraSweep(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        """Runs the sweep. Ends the process with exit code 1 if a trial failed. Raises UserError,
        before any trial has started, if the sweep or one of its trials is wrong."""
        overrides = self._overrides(arguments)
        search.check_keys(overrides)
        settings, metric = self.hydra.settings, self.hydra.metric
        backend = self.hydra.config.get("backend")
        backend = None if backend is None else with_type(BackendConfig, backend)
        where = "local" if backend is None else "rehearsal" if backend.rehearse else "sagemaker"
        # The number of trials is no part of it: a study may be made longer.
        sought = [settings.search, settings.startup_trials, settings.seed]
        mark = identity(search.canonical(overrides), where, sought)
        sweep, goes_on = self._directory(mark, settings.fresh)
        planned = sweep.info().get("planned", []) if goes_on else []
        if settings.search == "optuna":
            from imdb_cls.sweeps.study import Study

            found: Search = Study(overrides, settings, lower_is_better(metric), planned)
        else:
            found = Grid(overrides)
        self._check_trials(found.samples(), metric)
        self.hydra.fix("sweep.dir", str(sweep.path))
        record = {
            "status": "running",
            "command": shlex.join(["python", "-m", "imdb_cls.train", *sys.argv[1:]]),
            "started": sweep.info()["started"] if goes_on else now(),
            "finished": None,
            "search": settings.search,
            "metric": metric,
            "direction": "min" if lower_is_better(metric) else "max",
            "backend": where,
            "code": code(),
            "identity": mark,
            "planned": planned,
        }
        is_replaced, screen = settings.fresh and sweep.path.exists(), Screen()
        with self._runner(backend, sweep, found, screen) as runner:
            if backend and backend.dry_run:
                runner.run(found.ask(runner.at_once), first=0)
                return
            if is_replaced:
                with sweep.locked():
                    screen.say(f"the sweep that was in {sweep.path} is now in {sweep.set_aside()}")
            failed = self._run_all(sweep, found, record, runner, screen)
        if failed:
            sys.exit(1)

    def _overrides(self, arguments: list[str]) -> list[Override]:
        """The overrides of the command line, and of the config's search space those of other keys.
        The last override of a key counts, as in a single run."""
        parser = OverridesParser.create(config_loader=self.hydra.context.config_loader)
        given = {o.get_key_element(): o for o in parser.parse_overrides(arguments)}
        keys = {key.lstrip("+~") for key in given}
        space = [f"{key}={value}" for key, value in self.params.items() if key not in keys]
        return [*given.values(), *parser.parse_overrides(space)]

    def _directory(self, mark: str, fresh: bool) -> tuple[Sweep, bool]:
        """The directory of the sweep, and whether the same sweep was begun in it earlier."""
        sweep = Sweep(Path(self.hydra.config.hydra.sweep.dir).absolute())
        if not fresh and not self.hydra.is_given("hydra.sweep.dir"):
            sweep = begun(sweep.path, mark) or sweep
        same = sweep.record_file.is_file() and sweep.info().get("identity") == mark
        return sweep, same and not fresh

    def _check_trials(self, samples: list[list[str]], metric: str) -> None:
        for number, overrides in enumerate(samples):
            composed = self.hydra.compose(overrides, number)
            if Path(subdir := str(composed.hydra.sweep.subdir)).name != subdir:
                raise UserError(
                    f"hydra.sweep.subdir={subdir}: trials lie side by side: it may have no slash"
                )
            with open_dict(composed):
                del composed["hydra"]
            if (own := parse(composed).metric) != metric:
                raise UserError(
                    f"metric={own} in one trial and {metric} in the sweep: trials are compared by"
                    " one metric: set it on the command line"
                )

    @contextlib.contextmanager
    def _runner(
        self, backend: BackendConfig | None, sweep: Sweep, found: Search, screen: Screen
    ) -> Iterator[Runner]:
        if backend is None:
            yield LocalRunner(self.hydra, sweep, found, screen)
            return
        if self.hydra.launcher_name != "basic":
            raise UserError(
                f"hydra/launcher={self.hydra.launcher_name}: jobs run side by side by themselves,"
                " backend.max_parallel at once: leave it out"
            )
        given = (self.hydra, backend, sweep, found, screen, TrialSweeper.recompose)
        with TrialSweeper.backend().sweep(*given) as runner:
            yield runner

    def _run_all(
        self, sweep: Sweep, found: Search, record: dict[str, Any], runner: Runner, screen: Screen
    ) -> int:
        """Runs the trials; sweep.json begins with `record`. Returns how many failed, and 1 more if
        others are damaged."""
        failed = 0
        with sweep.locked():
            sweep.record(**record)
            screen.say(f"sweep directory: {sweep.path}")
            if ended := sum(info.status == "completed" for _, info in sweep.runs()):
                screen.say(f"going on: {ended} of {found.total} trials have completed")
            status, asked = "stopped", 0
            try:
                while batch := found.ask(runner.at_once):
                    record["planned"][asked : asked + len(batch)] = map(without_place, batch)
                    sweep.record(planned=record["planned"])
                    outcomes = runner.run(batch, first=asked)
                    for overrides, outcome in zip(batch, outcomes, strict=True):
                        found.tell(overrides, outcome)
                        failed += outcome.status == "failed"
                    asked += len(batch)
                    if any(outcome.status == "submitted" for outcome in outcomes):
                        status = "running"
                        break
                else:
                    status = "failed" if failed else "completed"
            finally:
                sweep.record(status=status, finished=now())
                if status == "stopped":
                    screen.say("stopped: the same command goes on with this sweep")
            from imdb_cls.reports.sweep.conclude import conclude

            damaged = not conclude(sweep.path, screen)
        return failed + damaged
