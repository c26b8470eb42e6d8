"""After training: the best checkpoint is calibrated on val, saved as a model, and tested once."""

import csv
from pathlib import Path

import torch
from pytorch_lightning import Trainer

from imdb_cls.data.splits import Split
from imdb_cls.data.tokens import tokenize
from imdb_cls.inference.engine import Engine
from imdb_cls.inference.network import TorchEngine
from imdb_cls.inference.settings import Settings
from imdb_cls.model import calibration, pretrained
from imdb_cls.model.device import torch_device
from imdb_cls.model.evaluation import Evaluation, evaluate_split
from imdb_cls.model.open import load_engine
from imdb_cls.runs.run import Run
from imdb_cls.storage import replacing_directory, write_json
from imdb_cls.terminal import Screen
from imdb_cls.training import checkpoints
from imdb_cls.training.prepare import Prepared


def test(run: Run, prepared: Prepared, trainer: Trainer, screen: Screen) -> None:
    """Scores the test split, once, with the best checkpoint."""
    config, module = prepared.config, prepared.module
    best = torch.load(run.best_checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    module.load_state_dict(best)
    val = _score("calibrating", _engine(prepared), prepared.splits.val, prepared, screen)
    temperature = calibration.fit(val.log_odds, val.tokens.labels)
    calibration.fold(module.network, temperature)
    settings = Settings(config.data.max_length, config.data.head_fraction, temperature)
    with replacing_directory(run.model_dir) as partial:
        pretrained.save(module.network, prepared.tokenizer, partial)
        settings.write(partial)
    # The very files that predict and evaluate read.
    engine = load_engine(
        run.model_dir, prepared.tokenizer.pad_id, prepared.device, config.data.eval_batch_size
    )
    tested = _score("testing", engine, prepared.splits.test, prepared, screen)
    val.divided(temperature).write_predictions(run.val_predictions_file)
    tested.write_predictions(run.predictions_file)

    lower = checkpoints.mode(config.metric) == "min"
    validated = _best_validation(run.table_file, config.metric, lower)
    validated["samples"] = len(prepared.splits.val)
    calibrated = {
        "temperature": temperature,
        "val": _before_and_after(val, val.divided(temperature)),
        "test": _before_and_after(tested.divided(1 / temperature), tested),
    }
    record = {"val": validated, "test": tested.metrics, "calibration": calibrated}
    write_json(run.metrics_file, record)
    scalars = {f"test/{k}": v for k, v in tested.metrics.items() if isinstance(v, float)}
    for logger in trainer.loggers:
        logger.log_metrics({**scalars, "epoch": trainer.current_epoch}, trainer.global_step)
        logger.finalize("success")


def _score(
    what: str, engine: Engine, split: Split, prepared: Prepared, screen: Screen
) -> Evaluation:
    tokens = tokenize(split, prepared.tokenizer, prepared.cache)
    with screen.counted(what, len(tokens)) as advance:
        return evaluate_split(engine, split, tokens, advance)


def _engine(prepared: Prepared) -> TorchEngine:
    """The network in memory, in the precision that it is tested in."""
    device = torch_device(prepared.device.accelerator)
    size = prepared.config.data.eval_batch_size
    network, pad_id = prepared.module.network, prepared.tokenizer.pad_id
    return TorchEngine(network, pad_id, device, prepared.device.eval_precision, size)


def _before_and_after(before: Evaluation, after: Evaluation) -> dict[str, float]:
    return {
        f"{name}_{when}": split.metrics[name]
        for name in ("ece", "loss")
        for when, split in (("before", before), ("after", after))
    }


def _best_validation(path: Path, metric: str, lower_is_better: bool) -> dict[str, float]:
    """The val/ metrics, without that prefix, of the validation that best.ckpt was taken at: the
    first of those with the best `metric`."""
    by_step: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["name"].startswith("val/"):
                by_step.setdefault(row["step"], {})[row["name"]] = float(row["value"])
    choose = min if lower_is_better else max
    best = choose(by_step.values(), key=lambda values: values[metric])
    return {name.removeprefix("val/"): value for name, value in best.items()}
