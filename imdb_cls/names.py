"""Names that other programs read: of the labels, the metrics and the files of a run."""

# A label is its index here, in the data, in the model and in predictions.parquet.
LABELS = ("NEGATIVE", "POSITIVE")

# Every scalar metric of a split; `val/` or `test/` stands before it when it is logged.
SCALARS = ("loss", "accuracy", "precision", "recall", "f1", "auroc", "mcc", "ece")


def lower_is_better(metric: str) -> bool:
    """Of a metric with or without its prefix."""
    return metric.split("/")[-1] in ("loss", "ece")


# Every name that a run logs, in metrics.csv, on stdout, in wandb and in CloudWatch.
LOGGED = (
    *("train/loss", "train/learning_rate"),
    *(f"val/{name}" for name in SCALARS),
    *(f"test/{name}" for name in SCALARS),
    *("test/runtime_s", "test/samples_per_second"),
)
