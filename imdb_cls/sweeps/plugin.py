"""python -m imdb_cls.train -m …: the sweeper that Hydra calls. It checks every trial before the
first one starts, goes on with a sweep that was begun, and outlives trials that fail."""

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from imdb_cls.config import BackendConfig, Config, SweepConfig, parse, with_type
from imdb_cls.config.overrides import without_place
from imdb_cls.errors import UserError
from imdb_cls.names import lower_is_better
from imdb_cls.runs.fingerprint import code
from imdb_cls.runs.run import now
from imdb_cls.runs.sweep import Sweep, begun, identity
from imdb_cls.sweeps import search
from imdb_cls.sweeps.runners import HydraSweep, Runner, local_runner
from imdb_cls.sweeps.search import Grid, Search
from imdb_cls.terminal import Screen


def register(backend: Callable[[], ModuleType], recompose: Callable[[list[str]], Config]) -> None:
    """Makes TrialSweeper known to Hydra; conf/train.yaml names it.

    Args:
        backend: gives the module whose `sweep` runs trials elsewhere.
        recompose: as imdb_cls.training.resolve.settle takes it.
    """
    TrialSweeper.remote = _Remote(backend, recompose)
    # Hydra takes plugins from a package of that name only. It is made here, not installed: other
    # programs of the same environment have no use for it.
    plugins = Plugins.instance()
    TrialSweeper.__module__ = "hydra_plugins.imdb_cls"
    for name in ("hydra_plugins", TrialSweeper.__module__):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules[TrialSweeper.__module__].TrialSweeper = TrialSweeper  # type: ignore[attr-defined]
    plugins.register(TrialSweeper)


@dataclass(frozen=True)
class _Remote:
    backend: Callable[[], ModuleType]
    recompose: Callable[[list[str]], Config]


@dataclass(frozen=True)
class _Plan:
    """All that a sweep command comes to, and nothing on the disk yet."""

    sweep: Sweep
    set_aside: bool
    """Whether a sweep of that name has to make room."""
    search: Search
    backend: BackendConfig | None
    facts: dict[str, Any]
    """What sweep.json begins with."""


class TrialSweeper(Sweeper):
    """
    Args:
        params: the search space of a config, by key. What the command line says of a key wins.
        max_batch_size: Hydra's own, of no use here.
    """

    remote: ClassVar["_Remote"]

    def __init__(
        self, params: dict[str, str] | None = None, max_batch_size: int | None = None
    ) -> None:
        self.params = {str(key): str(value) for key, value in (params or {}).items()}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra = HydraSweep(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        """Ends the process with 1 if a trial failed, as a run that fails does.

        Raises:
            UserError: something is wrong with the sweep, or with any of its trials: none started.
        """
        plan, screen = self._plan(arguments), Screen()
        with self._runner(plan, screen) as runner:
            if plan.backend and plan.backend.dry_run:
                runner.run(plan.search.ask(runner.at_once), first=0)
                return
            failed = self._carry_out(plan, runner, screen)
        if failed:
            sys.exit(1)

    def _plan(self, arguments: list[str]) -> _Plan:
        overrides = self._overrides(arguments)
        search.check_keys(overrides)
        settings, metric = self.hydra.settings, self.hydra.metric
        backend = self.hydra.config.get("backend")
        backend = None if backend is None else with_type(BackendConfig, backend)
        where = "local"
        if backend is not None:
            where = "rehearsal" if backend.rehearse else "sagemaker"
        # Not how many trials: a study may be made longer.
        sought = [settings.search, settings.startup_trials, settings.seed]
        mark = identity(search.canonical(overrides), where, sought)
        sweep, goes_on = self._place(mark, settings.fresh)
        planned = sweep.info().get("planned", []) if goes_on else []
        found = self._search(overrides, settings, metric, planned)
        self._check(found.samples(), metric)
        self.hydra.place(sweep.path)
        facts = {
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
        return _Plan(sweep, settings.fresh and sweep.path.exists(), found, backend, facts)

    def _overrides(self, arguments: list[str]) -> list[Override]:
        """Of the command line, and of the config's search space what that leaves open. Of a key
        that is given twice the last counts, as in a single run."""
        parser = OverridesParser.create(config_loader=self.hydra.context.config_loader)
        given = {o.get_key_element(): o for o in parser.parse_overrides(arguments)}
        keys = {key.lstrip("+~") for key in given}
        space = [f"{key}={value}" for key, value in self.params.items() if key not in keys]
        return [*given.values(), *parser.parse_overrides(space)]

    def _place(self, mark: str, fresh: bool) -> tuple[Sweep, bool]:
        """The directory, and whether this very sweep was begun there."""
        sweep = Sweep(Path(self.hydra.config.hydra.sweep.dir).absolute())
        asked_for = any(
            o.startswith("hydra.sweep.dir=") for o in self.hydra.config.hydra.overrides.hydra
        )
        if not fresh and not asked_for:
            sweep = begun(sweep.path, mark) or sweep
        same = sweep.record_file.is_file() and sweep.info().get("identity") == mark
        return sweep, same and not fresh

    def _search(
        self, overrides: Sequence[Override], settings: SweepConfig, metric: str, drawn: list[Any]
    ) -> Search:
        if settings.search != "optuna":
            return Grid(overrides)
        from imdb_cls.sweeps.study import Study

        return Study(overrides, settings, lower_is_better(metric), drawn)

    def _check(self, samples: list[list[str]], metric: str) -> None:
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
    def _runner(self, plan: _Plan, screen: Screen) -> Iterator[Runner]:
        if plan.backend is None:
            yield local_runner(self.hydra, plan.sweep, plan.search, screen)
            return
        if self.hydra.launcher_name != "basic":
            raise UserError(
                f"hydra/launcher={self.hydra.launcher_name}: jobs run side by side by themselves,"
                " backend.max_parallel at once: leave it out"
            )
        module, recompose = self.remote.backend(), self.remote.recompose
        with module.sweep(
            self.hydra, plan.backend, plan.sweep, plan.search, screen, recompose
        ) as runner:
            yield runner

    def _carry_out(self, plan: _Plan, runner: Runner, screen: Screen) -> int:
        """Runs the trials. Returns how many failed."""
        sweep, facts, failed = plan.sweep, plan.facts, 0
        if plan.set_aside:
            with sweep.locked():
                screen.say(f"the sweep that was in {sweep.path} is now in {sweep.set_aside()}")
        with sweep.locked():
            sweep.record(**facts)
            screen.say(f"sweep directory: {sweep.path}")
            if ended := sum(info.status == "completed" for _, info in sweep.runs()):
                screen.say(f"going on: {ended} of {plan.search.total} trials have completed")
            status, asked = "stopped", 0
            try:
                while batch := plan.search.ask(runner.at_once):
                    planned = [*facts["planned"][:asked], *map(without_place, batch)]
                    facts["planned"] = [*planned, *facts["planned"][len(planned) :]]
                    sweep.record(planned=facts["planned"])
                    outcomes = runner.run(batch, first=asked)
                    for overrides, outcome in zip(batch, outcomes, strict=True):
                        plan.search.tell(overrides, outcome)
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

            conclude(sweep.path, screen)
        return failed
