"""How did training go? Loss, learning rate and validation metrics by step."""

from imdb_cls.names import SCALARS
from imdb_cls.reports.curves import smoothed
from imdb_cls.reports.page import Content
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.results import RunResults
from imdb_cls.reports.svg import FAINT, series

# Metrics of val that are shares.
_SHARES = ("val/accuracy", "val/f1", "val/auroc", "val/mcc")
_OF_LOSS = (
    "Loss of the batches that were trained on, and of the val split. Of two labels, a guess costs"
    " 0.69."
)
_OF_RATE = "Of the last layer: a layer below has less where model.layer_decay is below 1."
_OF_SHARES = "Metrics of the val split; 1 is perfect."
_OF_ERROR = "Expected calibration error of the val split: how far confidence is from accuracy."


def training(results: RunResults) -> Content | None:
    """None if nothing was logged."""
    mark = results.chosen[0] if results.chosen else None

    def curve(name: str, number: int) -> plots.Curve:
        return plots.Curve(name, results.curve(name), series(number))

    batches = results.curve("train/loss")
    loss = [
        plots.Curve("train/loss, raw", batches, FAINT, 1, 0),
        plots.Curve("train/loss, moving average", smoothed(batches), series(0), 1.6, 0),
        curve("val/loss", 1),
    ]
    rate = [curve("train/learning_rate", 2)]
    pictures = [
        plots.curves("loss", "cross-entropy", "nats a review", loss, _OF_LOSS, mark),
        plots.curves("rate", "train/learning_rate", "", rate, _OF_RATE),
    ]
    # A single validation is no curve.
    if len(results.curve(results.metric)) > 1:
        shares = [curve(name, number) for number, name in enumerate(_SHARES)]
        error = [curve("val/ece", 4)]
        pictures += [
            plots.curves("val", "val metric", "share", shares, _OF_SHARES, mark),
            plots.curves("ece", "val/ece", "share", error, _OF_ERROR, mark),
        ]
    drawn = [picture for picture in pictures if picture]
    return {"pictures": drawn, "summary": _summary(results)} if drawn else None


def _summary(results: RunResults) -> str:
    """The chosen checkpoint, and whether training went on for too long."""
    points = results.curve(results.metric)
    if results.chosen is None:
        return "No validation yet."
    step, best = results.chosen
    said = f"Chosen by {results.metric}: step {step:,}, where it was {best:.3f}"
    last = points[-1][0]
    if len(points) == 1:
        others = {name: results.curve(f"val/{name}") for name in SCALARS}
        values = ", ".join(f"{name} {found[0][1]:.3f}" for name, found in others.items() if found)
        return f"{said}, the only validation. Of val: {values}."
    if step == last:
        return f"{said}, the last of {len(points)} validations: more epochs may have helped."
    return f"{said}, of {len(points)} validations; training went on to step {last:,}."
