"""How much of the metric's variance each parameter explains."""

import math

from imdb_cls.reports.scales import scale
from imdb_cls.runs.overrides import Value, shown
from imdb_cls.runs.results import SweepResults

_FEWEST = 4


def importances(results: SweepResults) -> dict[str, float] | str:
    """Each parameter's share of the variance among the completed trials, the seed's too: functional
    ANOVA on a random forest (Hutter et al. 2014, "An Efficient Approach for Assessing
    Hyperparameter Importance"), the greatest first; or why there is none."""
    metric = results.metric
    trials = [t for t in results.completed if math.isfinite(t.metrics.get(metric, math.nan))]
    if len(trials) < _FEWEST:
        return f"It takes at least {_FEWEST} completed trials, and there are {len(trials)}."
    values = [trial.metrics[metric] for trial in trials]
    if len(set(values)) < 2:
        return f"{metric} is the same in all completed trials."
    columns = {key: [trial.differs.get(key) for trial in trials] for key in results.keys}
    columns = {key: told for key, told in columns.items() if len({shown(v) for v in told}) > 1}
    if not columns:
        return "The completed trials differ in nothing."
    return _shares(columns, values)


def _shares(columns: dict[str, list[Value]], values: list[float]) -> dict[str, float]:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.trial import create_trial

    spaces: dict[str, BaseDistribution] = {}
    for key, told in columns.items():
        axis = scale(key, told)
        if axis.kind == "words":
            columns[key] = [shown(value) for value in told]
            spaces[key] = CategoricalDistribution(sorted(set(map(shown, told))))
        else:
            spaces[key] = FloatDistribution(axis.low, axis.high, log=axis.kind == "log")
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study()
        for number, value in enumerate(values):
            params = {key: told[number] for key, told in columns.items()}
            study.add_trial(create_trial(params=params, distributions=spaces, value=value))
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    finally:
        optuna.logging.set_verbosity(verbosity)
