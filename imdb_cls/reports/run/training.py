"""How did training go? Loss, learning rate and validation metrics by step."""

from dataclasses import dataclass

from imdb_cls.names import SCALARS
from imdb_cls.reports.page import Picture
from imdb_cls.reports.run import plots
from imdb_cls.reports.run.facts import Facts
from imdb_cls.reports.run.plots import Curve


@dataclass(frozen=True)
class Training:
    pictures: list[Picture]
    said: str


def training(facts: Facts) -> Training | None:
    """None if nothing was logged."""
    curves, mark = facts.curves, facts.chosen_step
    train, val = curves.get("train/loss", []), curves.get("val/loss", [])
    loss = plots.curves(
        "loss",
        "cross-entropy",
        "nats a review",
        [Curve("train/loss", train, 0, smooth=True), Curve("val/loss", val, 1)],
        "Loss of the batches that were trained on, and of the val split. Of two labels, a guess"
        " costs 0.69.",
        mark,
    )
    rate = plots.curves(
        "rate",
        "train/learning_rate",
        "",
        [Curve("train/learning_rate", curves.get("train/learning_rate", []), 2)],
        "Of the last layer: a layer below has less where model.layer_decay is below 1.",
    )
    pictures = [picture for picture in (loss, rate, *_validations(facts)) if picture]
    return Training(pictures, _said(facts)) if pictures else None


def _validations(facts: Facts) -> list[Picture | None]:
    """Metrics of val by step; of a single validation there is no curve to draw."""
    curves, mark = facts.curves, facts.chosen_step
    if len(curves.get(facts.metric, [])) < 2:
        return []
    names = ("accuracy", "f1", "auroc", "mcc")
    shares = [
        Curve(f"val/{name}", curves.get(f"val/{name}", []), place)
        for place, name in enumerate(names)
    ]
    error = [Curve("val/ece", curves.get("val/ece", []), 4)]
    said = "Expected calibration error of the val split: how far confidence is from accuracy."
    return [
        plots.curves(
            "val", "val metric", "share", shares, "Metrics of the val split; 1 is perfect.", mark
        ),
        plots.curves("ece", "val/ece", "share", error, said, mark),
    ]


def _said(facts: Facts) -> str:
    """The chosen checkpoint, and whether training went on for too long."""
    step = facts.chosen_step
    points = facts.curves.get(facts.metric, [])
    if step is None or not points:
        return "No validation yet."
    best = dict(points)[step]
    said = f"Chosen by {facts.metric}: step {step:,}, where it was {best:.3f}"
    last = points[-1][0]
    if len(points) == 1:
        others = {name: facts.curves.get(f"val/{name}", []) for name in SCALARS}
        values = ", ".join(f"{name} {found[0][1]:.3f}" for name, found in others.items() if found)
        return f"{said}, the only validation. Of val: {values}."
    if step == last:
        return f"{said}, the last of {len(points)} validations: more epochs may have helped."
    return f"{said}, of {len(points)} validations; training went on to step {last:,}."
