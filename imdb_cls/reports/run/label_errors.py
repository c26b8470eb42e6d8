"""Reviews whose label may be wrong, by confident learning."""

from dataclasses import dataclass

import numpy as np

from imdb_cls.reports.run.results import RunResults
from imdb_cls.runs.predictions import Floats, Predictions


@dataclass(frozen=True)
class Pool:
    """Reviews that neither the network nor the baseline was trained on."""

    split: str
    network: Predictions
    baseline: Floats | None
    """[reviews]: probability of POSITIVE."""
    texts: list[str]

    @property
    def probability(self) -> Floats:
        """The mean of both models: a label that both doubt is the more doubtful."""
        network = self.network.probability
        return network if self.baseline is None else (network + self.baseline) / 2


def suspects(pools: list[Pool]) -> list[tuple[Pool, int]] | str:
    """The pool and row of each review whose label the estimated joint distribution of given and
    true labels says is wrong (Northcutt et al. 2021, "Confident Learning", pruned by noise rate),
    the least probable label first; or why that cannot be said."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        return f"it takes cleanlab, which is not installed ({error})"
    probability = np.concatenate([pool.probability for pool in pools])
    label = np.concatenate([pool.network.label for pool in pools])
    if len(np.unique(label)) < 2:
        return "it takes reviews of both labels"
    both = np.stack([1 - probability, probability], axis=1)
    ranked = find_label_issues(label, both, return_indices_ranked_by="self_confidence", n_jobs=1)
    reviews = [(pool, row) for pool in pools for row in range(len(pool.network))]
    return [reviews[number] for number in ranked]


def pools_of(results: RunResults, scored: Predictions, texts: list[str]) -> list[Pool]:
    """The scored reviews of a run, and behind them those of val, if they are at hand."""
    baseline: tuple[Floats | None, Floats | None] = (None, None)
    if not isinstance(results.baseline, str):
        baseline = results.baseline.probability, results.baseline.val_probability
    own, val, splits = results.evaluation is None, results.val, results.splits
    pools = [Pool("test" if own else "evaluated", scored, baseline[0], texts)]
    if own and val is not None and splits is not None and val.is_of(splits.val):
        pools.append(Pool("val", val, baseline[1], splits.val.texts()))
    return pools
