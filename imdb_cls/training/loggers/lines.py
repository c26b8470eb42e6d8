"""A line for each logging step, for train.log and for stdout that is no terminal."""

import logging

from imdb_cls.training.loggers.base import ScalarLogger


def line(metrics: dict[str, float], step: int, epoch: int) -> str:
    """`step=40 epoch=0 train/loss=0.5312 …`, every value exact."""
    values = (f"{name}={float(value)!r}" for name, value in metrics.items())
    return " ".join([f"step={step}", f"epoch={epoch}", *values])


class LinesLogger(ScalarLogger):
    """Writes to train.log, and with `echo` to stdout."""

    def __init__(self, echo: bool) -> None:
        super().__init__()
        self.echo = echo

    def write(self, metrics: dict[str, float], step: int, epoch: int) -> None:
        text = line(metrics, step, epoch)
        logging.getLogger("imdb_cls").info(text)
        if self.echo:
            print(text, flush=True)
