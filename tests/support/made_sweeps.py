"""Sweeps as they lie on the disk, made without training: the files are the contract."""

import copy
import csv
import functools
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imdb_cls.config import Config, parse
from imdb_cls.names import SCALARS
from imdb_cls.runs.overrides import parsed
from imdb_cls.runs.yaml_files import to_yaml
from tests.support.configs import composed

COMMON = ("data=imdb_packaged", "model=distilbert_minilm", "logger=none")
CODE = "0123456789abcdef"
STARTED = "2026-11-24T15:02:17+00:00"


@functools.cache
def base() -> Config:
    return parse(composed(*COMMON))


def config(overrides: list[str]) -> Config:
    """What Hydra makes of overrides of keys: data.seed follows the seed unless it is set."""
    made = copy.deepcopy(base())
    values = parsed(overrides)
    values.setdefault("data.seed", values.get("seed", 1))
    for key, value in values.items():
        *groups, name = key.split(".")
        setattr(functools.reduce(getattr, groups, made), name, value)
    return made


def scores(accuracy: float, loss: float | None = None) -> dict[str, Any]:
    """One split of metrics.json."""
    values = dict.fromkeys(SCALARS, accuracy) | {"loss": 1 - accuracy if loss is None else loss}
    half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / 2000)
    return {**values, "ece": 0.02, "accuracy_ci95": [accuracy - half, accuracy + half]}


@dataclass
class Made:
    """A sweep's directory, filled trial by trial."""

    path: Path
    metric: str = "val/accuracy"
    direction: str = "max"
    planned: list[list[str]] = field(default_factory=list)

    def record(self, status: str = "completed", **facts: Any) -> None:
        """Writes sweep.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        known = {
            "status": status,
            "command": "python -m imdb_cls.train -m model.learning_rate=1e-4,4e-4 seed=1,2,3",
            "started": STARTED,
            "finished": None if status == "running" else "2026-11-24T15:14:22+00:00",
            "search": "grid",
            "metric": self.metric,
            "direction": self.direction,
            "backend": "local",
            "code": CODE,
            "identity": "fedcba9876543210",
            "planned": self.planned,
        }
        (self.path / "sweep.json").write_text(json.dumps(known | facts))

    def trial(
        self,
        *overrides: str,
        accuracy: float = 0.8,
        tested: float | None = None,
        loss: float | None = None,
        curve: list[float] | None = None,
        status: str = "completed",
        **facts: Any,
    ) -> Path:
        """Writes the run directory of the next trial, and plans it.

        Args:
            accuracy: on val; `tested` on test.
            curve: val/accuracy at each validation; None: rises to `accuracy`.
        """
        run = self.path / str(len(self.planned))
        run.mkdir(parents=True)
        typed = [*COMMON, *overrides]
        self.planned.append(typed)
        made = config(list(overrides))
        (run / "config.yaml").write_text(to_yaml(made))
        info = {
            "status": status,
            "command": "python -m imdb_cls.train",
            "started": STARTED,
            "finished": None,
            "seconds": 80.0 + len(self.planned),
            "seed": made.seed,
            "overrides": typed,
            "fingerprint": f"{len(self.planned):016x}",
            "resolved": {"weights_sha256": "53aa", "data_fingerprint": f"{made.seed:016x}"},
            "backend": "local",
            "job_name": None,
            "logger_id": "90c0dec7f894",
            "code": CODE,
            "reason": None,
        }
        (run / "run.json").write_text(json.dumps(info | facts))
        if curve is None:
            curve = [accuracy - 0.04, accuracy - 0.01, accuracy]
        if curve:
            (run / "train.log").touch()
            _write_curve(run / "metrics.csv", curve)
        if status == "completed":
            test = scores(accuracy - 0.01 if tested is None else tested, loss)
            metrics = {"val": scores(accuracy, loss), "test": test}
            (run / "metrics.json").write_text(json.dumps(metrics))
        self.record()
        return run


def _write_curve(path: Path, accuracies: list[float]) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("step", "epoch", "name", "value", "time"))
        for epoch, accuracy in enumerate(accuracies):
            for step in range(epoch * 50 + 10, epoch * 50 + 51, 10):
                rows.writerow((step, epoch, "train/loss", 0.7 / (1 + step / 60), "1.0"))
            rows.writerow((epoch * 50 + 50, epoch, "val/accuracy", accuracy, "1.0"))
            rows.writerow((epoch * 50 + 50, epoch, "val/loss", 1 - accuracy, "1.0"))
