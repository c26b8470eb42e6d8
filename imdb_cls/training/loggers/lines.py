"""One plain line a logging step, for train.log, pipes, containers and whoever greps them."""

import logging

from imdb_cls.training.loggers.base import NumbersLogger


def line(metrics: dict[str, float], step: int, epoch: int) -> str:
    """`step=40 epoch=0 train/loss=0.5312 …`, every value exact."""
    values = (f"{name}={float(value)!r}" for name, value in metrics.items())
    return " ".join([f"step={step}", f"epoch={epoch}", *values])


class LinesLogger(NumbersLogger):
    """Writes to train.log, and with `echo` to stdout."""

    def __init__(self, echo: bool) -> None:
        super().__init__()
        self.echo = echo
        self.log = logging.getLogger("imdb_cls")

    def write(self, metrics: dict[str, float], step: int, epoch: int) -> None:
        text = line(metrics, step, epoch)
        self.log.info(text)
        if self.echo:
            print(text, flush=True)
