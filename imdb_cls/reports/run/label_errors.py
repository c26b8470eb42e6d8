"""Reviews whose label may be wrong, by confident learning."""

from dataclasses import dataclass

import numpy as np

from imdb_cls.reports.run.baseline import Baseline
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.predictions import Floats, Ints


@dataclass(frozen=True)
class Pool:
    """Reviews that no model of ours was trained on; every array has one entry a review."""

    split: str
    label: Ints
    index: Ints
    network: Floats
    """Probability of POSITIVE, calibrated where the run is."""
    baseline: Floats | None
    texts: list[str]

    @property
    def probability(self) -> Floats:
        """Of both models together: that they agree says more than what either says."""
        return self.network if self.baseline is None else (self.network + self.baseline) / 2


@dataclass(frozen=True)
class Suspects:
    """Reviews that confident learning takes for mislabelled."""

    rows: Ints
    """Their places in the pools, one behind the other, the likeliest first."""
    n: int
    """Of how many reviews."""


def suspects(pools: list[Pool]) -> Suspects | str:
    """Reviews whose label the estimated joint distribution of given and true labels says is wrong
    (Northcutt et al. 2021, "Confident Learning", pruned by noise rate), ranked by the probability
    that is left to the given label; or why there are none."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        return f"it takes cleanlab, which is not installed ({error})"
    probability = np.concatenate([pool.probability for pool in pools])
    label = np.concatenate([pool.label for pool in pools])
    if len(np.unique(label)) < 2:
        return "it takes reviews of both labels"
    rows = find_label_issues(
        label,
        np.stack([1 - probability, probability], axis=1),
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return Suspects(np.asarray(rows, dtype=np.int64), len(label))


def pools_of(facts: Facts) -> list[Pool]:
    """The scored reviews of a run, and val behind them."""
    assert facts.scored is not None
    assert facts.texts is not None
    scored, val = facts.scored, facts.val
    known = facts.baseline if isinstance(facts.baseline, Baseline) else None
    said = known.probability if known else None
    network = scored.probability
    first = Pool(scored_name(facts), scored.label, scored.index, network, said, facts.texts)
    if facts.evaluation is not None or val is None or facts.splits is None:
        return [first]
    if val.index.tolist() != facts.splits.val.rows.tolist():
        return [first]
    said = known.val_probability if known else None
    texts = list(facts.splits.val.reviews["text"])
    return [first, Pool("val", val.label, val.index, val.probability, said, texts)]


def scored_name(facts: Facts) -> str:
    """What the scored reviews are called."""
    return "test" if facts.evaluation is None else "evaluated"


def place(pools: list[Pool], number: int) -> tuple[Pool, int]:
    """The pool and the row of a place in all of them.

    Raises:
        IndexError: it is beyond the last.
    """
    for pool in pools:
        if number < len(pool.label):
            return pool, number
        number -= len(pool.label)
    raise IndexError(number)
