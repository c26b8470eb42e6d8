"""The names of labels and metrics, which other programs read."""

import re
from collections.abc import Iterable

# The data, the model and predictions.parquet have the index of a label here.
LABELS = ("NEGATIVE", "POSITIVE")

_NEGATIVE = ("0", "negative", "neg", "false")
_POSITIVE = ("1", "positive", "pos", "true")

# What data.separator may be called.
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


def plain_label(value: object) -> str:
    """A label as it is compared: 4, 4.0, "4" and " 4.00 " are "4"; True, "True" and "TRUE" are
    "true", whatever the format of the file."""
    text = str(value).strip().lower()
    return text.rstrip("0").rstrip(".") if re.fullmatch(r"[+-]?\d+\.\d*", text) else text


def label_values(
    negative: Iterable[object] = (), positive: Iterable[object] = ()
) -> dict[str, int]:
    """What each plain label means, as an index of LABELS. Without labels of one's own these are
    0/1, negative/positive, neg/pos and false/true. Raises ValueError if only one side is given, or
    if a label stands on both."""
    sides = [[plain_label(value) for value in side] for side in (negative, positive)]
    if not any(sides):
        return dict.fromkeys(_NEGATIVE, 0) | dict.fromkeys(_POSITIVE, 1)
    if not all(sides):
        raise ValueError("give both, negative and positive: all other reviews are left out")
    if both := set(sides[0]) & set(sides[1]):
        raise ValueError(f"'{min(both)}' is both negative and positive")
    return dict.fromkeys(sides[0], 0) | dict.fromkeys(sides[1], 1)


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
