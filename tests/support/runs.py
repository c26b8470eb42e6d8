"""What lies in a run directory, read by tests as any user would read it."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Train = Callable[..., Path]
"""Trains a run with these overrides; gives its directory."""

FILES = {
    *("config.yaml", "run.json", "metrics.json", "metrics.csv", "train.log"),
    *("predictions.parquet", "predictions_val.parquet"),
    *("model/config.json", "model/model.safetensors", "model/inference.json"),
    *("model/tokenizer.json", "model/tokenizer_config.json"),
    *("checkpoints/best.ckpt", "checkpoints/last.ckpt"),
    *("checkpoints/previous.ckpt", "checkpoints/sha256.txt"),
}
"""The files of a completed run."""
_TIMED = ("runtime_s", "samples_per_second")


def files_of(path: Path) -> set[str]:
    """The files below a directory, by their paths from there."""
    return {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}


def read(path: Path, name: str) -> dict[str, Any]:
    """A JSON file of a directory."""
    return dict(json.loads((path / name).read_text()))


def rows(run: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv."""
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def values(run: Path) -> list[tuple[str, str, str, str]]:
    """metrics.csv without what depends on the clock: step, epoch, name and value."""
    return [
        (row["step"], row["epoch"], row["name"], row["value"])
        for row in rows(run)
        if row["name"].rpartition("/")[2] not in _TIMED
    ]


def metrics_of(run: Path) -> dict[str, Any]:
    """metrics.json without what depends on the clock."""
    return {
        split: {name: value for name, value in metrics.items() if name not in _TIMED}
        for split, metrics in read(run, "metrics.json").items()
    }


def reviews(run: Path, count: int) -> list[str]:
    """Real reviews, cut after 2 to 8 words: the run keeps all of their tokens."""
    from imdb_cls.data import sources
    from imdb_cls.runs.run import Run

    config = Run(run).config()
    pool = sources.load(config.data, Path(config.cache_dir).expanduser())["train"]
    texts = pool["text"][:count]
    return [" ".join(text.split()[: 2 + number % 7]) for number, text in enumerate(texts)]


def decided(run: Path, target: Path) -> Path:
    """A copy of a run whose network tells reviews apart: two epochs of a tiny one leave every score
    at 0.5. Its attention weighs more, and its classifier spreads the scores around 0.5."""
    import numpy as np
    from safetensors.torch import load_file, save_file

    from imdb_cls.model.open import open_labeller
    from imdb_cls.runs.run import Run

    shutil.copytree(run, target)
    file = target / "model" / "model.safetensors"
    weights = load_file(file)
    for name in weights:
        if name.endswith(("v_lin.weight", "out_lin.weight")):
            weights[name] *= 20
    save_file(weights, file, metadata={"format": "pt"})
    resealed(target)
    logits = open_labeller(Run.open(target), allow_fast=False).log_odds(reviews(run, 100))
    weights["classifier.weight"] /= logits.std()
    weights["classifier.bias"] /= logits.std()
    weights["classifier.bias"][1] -= np.median(logits) / logits.std()
    save_file(weights, file, metadata={"format": "pt"})
    return resealed(target)


def resealed(path: Path) -> Path:
    """Makes the files of a run the right ones as they are now."""
    from imdb_cls.inference.settings import Settings
    from imdb_cls.runs import seals
    from imdb_cls.runs.run import Run

    Settings(**read(path / "model", Settings.FILE)).write(path / "model")
    Run(path).record(sha256=seals.hashes(path, [seals.CONFIG, *seals.RESULTS]))
    return path


def older(path: Path) -> Path:
    """Takes from a run what those that were made before calibration lack."""
    metrics = read(path, "metrics.json")
    (path / "metrics.json").write_text(
        json.dumps({name: metrics[name] for name in metrics if name not in ("calibration", "fast")})
    )
    (path / "model" / "inference.json").unlink()
    return unsealed(path)


def unsealed(path: Path) -> Path:
    """Takes from a run the hashes of its files, which older ones lack."""
    record = read(path, "run.json")
    del record["sha256"]
    (path / "run.json").write_text(json.dumps(record))
    return path
