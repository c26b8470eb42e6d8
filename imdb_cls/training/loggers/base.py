"""What Lightning asks of a logger, for loggers that only take numbers."""

from abc import abstractmethod
from typing import Any

from pytorch_lightning.loggers import Logger

from imdb_cls.terminal import is_rank_zero


class ScalarLogger(Logger):
    """Logs numbers on rank zero. It leaves the config out, which is in config.yaml."""

    name = property(lambda self: type(self).__name__)
    version = ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        return

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if is_rank_zero():
            values = dict(metrics)
            epoch = int(values.pop("epoch", 0))
            self.write(values, step or 0, epoch)

    @abstractmethod
    def write(self, metrics: dict[str, float], step: int, epoch: int) -> None:
        """Records values by name, after `step` optimizer steps, in an epoch counted from 0."""
