"""Optuna's search: TPE over a space in Hydra's syntax (Bergstra et al. 2011, "Algorithms for
Hyper-Parameter Optimization")."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial, TrialState

from imdb_cls.config import SweepConfig, known_keys
from imdb_cls.errors import UserError
from imdb_cls.runs.outcome import Outcome
from imdb_cls.sweeps.search import Search, discrete


class Study(Search):
    """Draws trials one after the other, or several at once, learning from those that ended.

    What is drawn for a trial is a function of sweep.seed, its number and what it could learn from:
    a study that was killed draws the same again. Trials that were drawn before are taken as they
    were, even if what they could learn from has changed because a failed one was tried again.

    Args:
        overrides: with intervals, choices and ranges among them: the search space.
        lower_is_better: of the metric.
        drawn: the overrides of the trials so far.

    Raises:
        UserError: no space to search, or an empty part of it.
    """

    def __init__(
        self,
        overrides: Sequence[Override],
        config: SweepConfig,
        lower_is_better: bool,
        drawn: Sequence[list[str]] = (),
    ) -> None:
        super().__init__(overrides)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.config, self.total = config, config.trials
        swept = [override for override in overrides if override.is_sweep_override()]
        self._space = {o.get_key_element(): _distribution(o) for o in swept}
        if not self._space:
            raise UserError(
                "sweep=optuna has nothing to search: give a key an interval or choices, such as"
                " 'model.learning_rate=tag(log, interval(1e-5, 1e-3))'"
            )
        self._drawn = [list(trial) for trial in drawn]
        self._study = optuna.create_study(direction="minimize" if lower_is_better else "maximize")
        # In a small space the same may be drawn twice.
        self._running: list[tuple[list[str], Trial]] = []
        self._asked = 0

    def samples(self) -> list[list[str]]:
        """Trials that together have both ends of every interval and every choice."""
        ends = {key: _ends(distribution) for key, distribution in self._space.items()}
        return [
            self._trial({key: values[min(n, len(values) - 1)] for key, values in ends.items()})
            for n in range(max(map(len, ends.values())))
        ]

    def ask(self, at_once: int) -> list[list[str]]:
        return [self._ask() for _ in range(min(at_once, self.total - self._asked))]

    def tell(self, overrides: list[str], outcome: Outcome) -> None:
        number = [drawn for drawn, _ in self._running].index(overrides)
        _, trial = self._running.pop(number)
        for step, value in enumerate(outcome.curve, start=1):
            if np.isfinite(value):
                trial.report(value, step)
        if outcome.status == "pruned":
            self._study.tell(trial, state=TrialState.PRUNED)
        elif outcome.value is None or not np.isfinite(outcome.value):
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, outcome.value)

    def _ask(self) -> list[str]:
        number, self._asked = self._asked, self._asked + 1
        seed = np.random.SeedSequence([self.config.seed, number]).generate_state(1)[0]
        self._study.sampler = optuna.samplers.TPESampler(
            seed=int(seed),
            n_startup_trials=self.config.startup_trials,
            # Of trials that run at once, none is drawn where another is being tried.
            constant_liar=True,
        )
        if number < len(self._drawn):
            self._study.enqueue_trial(self._params(self._drawn[number]))
        trial = self._study.ask(self._space)
        overrides = self._trial(trial.params)
        self._running.append((overrides, trial))
        return overrides

    def _trial(self, params: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial with these parameters."""
        return [*self._fixed, *(f"{key}={params[key]}" for key in self._space)]

    def _params(self, overrides: list[str]) -> dict[str, Any]:
        """The parameters in a trial's overrides."""
        values = dict(override.split("=", 1) for override in overrides if "=" in override)
        kinds = {IntDistribution: int, FloatDistribution: float}
        return {key: kinds.get(type(d), str)(values[key]) for key, d in self._space.items()}


def _distribution(override: Override) -> BaseDistribution:
    value = override.value()
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        assert low is not None
        assert high is not None
        if not low < high:
            raise UserError(f"{override.input_line} is empty: its end must lie above its beginning")
        log = "log" in value.tags
        if log and low <= 0:
            raise UserError(f"{override.input_line}: on a log scale it must begin above 0")
        # interval(0, 1) of a key that takes fractions is more than 0 and 1.
        if known_keys().get(override.get_key_element().lstrip("+")) in (int, int | None):
            return IntDistribution(math.ceil(low), math.floor(high), log=log)
        return FloatDistribution(float(low), float(high), log=log)
    values = discrete(override)
    if isinstance(value, RangeSweep) and not value.shuffle and len(values) > 1:
        low, high = sorted((float(values[0]), float(values[-1])))
        step = abs(float(values[1]) - float(values[0]))
        if all(v.lstrip("-").isdecimal() for v in values):
            return IntDistribution(int(low), int(high), step=int(step))
        return FloatDistribution(low, high, step=step)
    return CategoricalDistribution(values)


def _ends(distribution: BaseDistribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return (distribution.low, distribution.high)
