"""Runs whose model gives either label, with predictions, metrics and a temperature of its own."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from imdb_cls.evaluate import Arguments, evaluate
from imdb_cls.model import calibration
from imdb_cls.runs.run import Run
from tests.support.runs import decided, resealed


def made_run(trained: Path, target: Path) -> Run:
    """A copy of a trained run, tested again after its network was made to tell reviews apart."""
    run = Run(decided(trained, target))
    evaluate(Arguments(run=str(run.path), output=str(run.path / "tested")))
    shutil.move(run.path / "tested" / "predictions.parquet", run.predictions_file)
    tested = json.loads((run.path / "tested" / "metrics.json").read_text())
    shutil.rmtree(run.path / "tested")
    table = pq.read_table(run.predictions_file)
    probability, label = (table[name].to_numpy() for name in ("probability", "label"))
    temperature = calibration.fit(np.log(probability / (1 - probability)), label)
    metrics = run.metrics() | {
        "test": tested,
        "calibration": {"temperature": temperature},
        "fast": {
            "kind": "int8",
            "file": "model.int8.onnx",
            "val_agreement": 0.998,
            "val_samples": 500,
            "val_accuracy": 0.861,
            "val_accuracy_of_trained": 0.862,
            "difference_mean": 0.0041,
            "difference_max": 0.093,
        },
    }
    run.metrics_file.write_text(json.dumps(metrics))
    resealed(run.path)
    return run
