"""The names of labels and metrics, which other programs read."""

# The data, the model and predictions.parquet have the index of a label here.
LABELS = ("NEGATIVE", "POSITIVE")

# The metrics of a split. When they are logged, `val/` or `test/` stands before them.
SCALARS = ("loss", "accuracy", "precision", "recall", "f1", "auroc", "mcc", "ece")


def lower_is_better(metric: str) -> bool:
    """Whether a metric, with or without its prefix, is the better the lower it is."""
    return metric.split("/")[-1] in ("loss", "ece")


# Every name that a run logs, in metrics.csv, on stdout, in wandb and in CloudWatch.
LOGGED = (
    *("train/loss", "train/learning_rate"),
    *(f"val/{name}" for name in SCALARS),
    *(f"test/{name}" for name in SCALARS),
    *("test/runtime_s", "test/samples_per_second"),
)
