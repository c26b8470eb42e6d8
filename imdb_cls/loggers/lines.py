"""One plain line a logging step, for train.log, pipes, containers and whoever greps them."""

import logging
from typing import Any

from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only


def line(metrics: dict[str, float], step: int | None) -> str:
    """`step=40 epoch=0 train/loss=0.5312 …`, every value exact."""
    epoch = [f"epoch={int(metrics['epoch'])}"] if "epoch" in metrics else []
    values = [f"{k}={float(v)!r}" for k, v in metrics.items() if k != "epoch"]
    return " ".join([f"step={step}", *epoch, *values])


class LinesLogger(Logger):
    """Writes to train.log, and with `echo` to stdout."""

    def __init__(self, echo: bool) -> None:
        super().__init__()
        self.echo = echo
        self.log = logging.getLogger("imdb_cls")

    @property
    def name(self) -> str:
        return "lines"

    @property
    def version(self) -> str:
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> None:
        return None

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        return

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.log.info(line(metrics, step))
        if self.echo:
            print(line(metrics, step), flush=True)
