"""Which trials a sweep command asks for: a grid in Hydra's syntax; study.py has the other way."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence

from hydra.core.override_parser.types import IntervalSweep, Override

from imdb_cls.errors import UserError
from imdb_cls.runs.fingerprint import WITHOUT_EFFECT
from imdb_cls.runs.outcome import Outcome


class Search(ABC):
    """Where the next trials come from. Their overrides are complete, as for a single run."""

    total: int
    """Trials, all told."""

    def __init__(self, overrides: Sequence[Override]) -> None:
        self._fixed = [fixed(o) for o in overrides if not o.is_sweep_override()]

    @abstractmethod
    def samples(self) -> list[list[str]]:
        """Overrides of trials to check before the first one starts: if these can be composed, all
        can."""

    @abstractmethod
    def ask(self, at_once: int) -> list[list[str]]:
        """The overrides of the next trials: all, or if they learn from those before them as many as
        run at once. None: that was all."""

    def tell(self, overrides: list[str], outcome: Outcome) -> None:
        """How one of them ended."""
        return

    def label(self, overrides: list[str]) -> str:
        """What tells a trial from the others: what varies; numbers with four digits."""
        varied = [o.partition("=") for o in overrides if o not in self._fixed]
        return " ".join(f"{key}{equals}{_shortened(value)}" for key, equals, value in varied)


class Grid(Search):
    """Every combination of the values, in the order of Hydra's own sweeper: the last key varies
    fastest. A combination that is given twice is one trial. Raises UserError for a key that has no
    values, and for an interval, which has no end of them."""

    def __init__(self, overrides: Sequence[Override]) -> None:
        super().__init__(overrides)
        choices = [_values(override) for override in overrides]
        self.trials = [list(t) for t in dict.fromkeys(itertools.product(*choices))]
        self.total, self._asked = len(self.trials), False

    def samples(self) -> list[list[str]]:
        return self.trials

    def ask(self, at_once: int) -> list[list[str]]:
        trials, self._asked = [] if self._asked else self.trials, True
        return trials


def _shortened(value: str) -> str:
    try:
        return value if len(value) < 8 else f"{float(value):.4g}"
    except ValueError:
        return value


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [fixed(override)]
    if isinstance(override.value(), IntervalSweep):
        raise UserError(
            f"{override.input_line}: a grid cannot try every value of an interval: list them, or"
            " search with sweep=optuna"
        )
    return [f"{override.get_key_element()}={value}" for value in discrete(override)]


def discrete(override: Override) -> list[str]:
    """The values of a choice, a range or a glob, as Hydra writes them. Raises UserError if there
    are none."""
    values = list(override.sweep_string_iterator())
    if not values:
        raise UserError(f"{override.input_line} holds no value: there is nothing to try")
    return values


def fixed(override: Override) -> str:
    """An override that does not vary, as it goes to every trial."""
    key = override.get_key_element()
    return key if key.startswith("~") else f"{key}={override.get_value_element_as_str()}"


def canonical(overrides: Sequence[Override]) -> list[str]:
    """The overrides of a sweep in one spelling: 1e-4 is 0.0001."""
    return [
        f"{o.get_key_element()}={','.join(discrete(o))}"
        if o.is_discrete_sweep()
        else str(o.input_line)
        if o.is_sweep_override()
        else fixed(o)
        for o in overrides
    ]


def check_keys(overrides: Sequence[Override]) -> None:
    """Raises UserError for a sweep over what changes no result, or over what makes results
    incomparable."""
    for override in overrides:
        key = (override.key_or_group or "").split("@")[0]
        if key == "resume":
            raise UserError("resume=… goes on with one run: a sweep goes on by itself, without it")
        if not override.is_sweep_override():
            continue
        if any(f"{key}.".startswith(f"{without}.") for without in WITHOUT_EFFECT):
            raise UserError(
                f"{override.input_line}: {key} does not change what comes out of a trial: give it"
                " one value"
            )
        if key == "metric":
            raise UserError(
                f"{override.input_line}: trials are compared by one metric: give it one value"
            )
