"""Successive halving: a trial that falls behind the others at a rung does not go on.

Jamieson & Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization";
asynchronous as in Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning".
"""

import math
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from imdb_cls.errors import UserError
from imdb_cls.runs.records import curve_of, say_once
from imdb_cls.runs.run import Run
from imdb_cls.runs.sweep import Sweep
from imdb_cls.training.checkpoints import Pruned

METRIC = "val/loss"


class Halving(Callback):
    """Ends the fit of a trial after 1, n, n², … validations (the rungs) if its val/loss is not
    among the best 1/n of those that the sweep's trials had at that rung. The first n - 1 trials at
    a rung go on. So does a trial at its last validation: only the test is left of it. Raises Pruned
    on every rank."""

    def __init__(self, run: Path, reduction_factor: int) -> None:
        self.run, self.reduction_factor = run, reduction_factor

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        is_last = trainer.current_epoch + 1 == trainer.max_epochs and trainer.is_last_batch
        is_judged = trainer.is_global_zero and not (trainer.should_stop or is_last)
        if verdict := trainer.strategy.broadcast(self.verdict() if is_judged else None):
            raise Pruned(verdict)

    def verdict(self) -> str | None:
        """Why this trial should end now, from its metrics.csv and those of the others; None: it
        goes on."""
        ours = curve_of(Run(self.run), METRIC)
        rung = len(ours)
        if not _is_rung(rung, self.reduction_factor):
            return None
        others = [
            values[rung - 1]
            for run, _ in Sweep(self.run.parent).runs()
            if run.path.name != self.run.name and len(values := _known(run)) >= rung
        ]
        judges = len(others) + 1 >= self.reduction_factor
        if not (judges and should_prune(ours, others, self.reduction_factor)):
            return None
        return (
            f"{METRIC} {ours[-1]:.4f} at validation {rung} is not among the best"
            f" 1/{self.reduction_factor} of {len(others) + 1} trials"
        )


def should_prune(ours: list[float], others: list[float], reduction_factor: int) -> bool:
    """Whether Optuna ends a trial with `ours`, its value at each validation, where others had
    `others` at the last of them. Lower is better, and nan the worst."""
    import optuna
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=len(ours), reduction_factor=reduction_factor
    )
    study = optuna.create_study(pruner=pruner)
    for value in (math.inf if math.isnan(value) else value for value in others):
        study.add_trial(create_trial(value=value, system_attrs={"completed_rung_0": value}))
    trial = study.ask()
    trial.report(ours[-1], len(ours))
    return bool(trial.should_prune())


def _known(run: Run) -> list[float]:
    """What another trial has reached: nothing, if that is damaged, which is said."""
    try:
        return curve_of(run, METRIC)
    except UserError as error:
        say_once(f"left out: {error}")
        return []


def _is_rung(validations: int, reduction_factor: int) -> bool:
    rung = 1
    while rung < validations:
        rung *= reduction_factor
    return rung == validations
