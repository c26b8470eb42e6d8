"""After the fit: the best checkpoint is calibrated on val, saved as a model, and tested once."""

from pathlib import Path

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from imdb_cls.data.splits import Split
from imdb_cls.data.tokens import tokenize
from imdb_cls.errors import UserError
from imdb_cls.inference.network import TorchEngine
from imdb_cls.inference.settings import Settings
from imdb_cls.model import calibration, pretrained
from imdb_cls.model.device import torch_device
from imdb_cls.model.evaluation import Evaluation, evaluate_split
from imdb_cls.model.open import load_engine
from imdb_cls.runs.run import Run
from imdb_cls.storage import replacing_directory, write_json
from imdb_cls.terminal import Screen
from imdb_cls.training.checkpoint_files import Unusable, read
from imdb_cls.training.loggers.table import table_of
from imdb_cls.training.prepare import PreparedRun


def test_best_checkpoint(run: Run, prepared: PreparedRun, trainer: Trainer, screen: Screen) -> None:
    """Calibrates the best checkpoint on val, saves it as model/, and scores the test split with it,
    once. Writes metrics.json and the predictions."""
    config, splits = prepared.resolved.config, prepared.resolved.splits
    device, module, pad_id = prepared.device, prepared.module, prepared.tokenizer.pad_id
    batch_size = config.data.eval_batch_size

    def score(what: str, engine: TorchEngine, split: Split) -> Evaluation:
        tokens = tokenize(split, prepared.tokenizer, Path(config.cache_dir))
        with screen.counted(what, len(tokens)) as advance:
            return evaluate_split(engine, split, tokens, advance)

    try:
        best = read(run.best_checkpoint)
    except Unusable as error:
        raise UserError(f"{error}; train from the beginning: {run.how_to_go_on()}") from None
    module.load_state_dict(best["state_dict"])
    where = torch_device(device.accelerator)
    engine = TorchEngine(module.network, pad_id, where, device.eval_precision, batch_size)
    raw = score("calibrating", engine, splits.val)
    temperature = calibration.fit(raw.log_odds, raw.tokens.labels)
    calibration.fold(module.network, temperature)
    settings = Settings(config.data.max_length, config.data.head_fraction, temperature)
    with replacing_directory(run.model_dir) as partial:
        pretrained.save(module.network, prepared.tokenizer, partial)
        settings.write(partial)
    # Tests the very files that predict and evaluate read.
    engine = load_engine(run.model_dir, pad_id, device, batch_size)
    tested = score("testing", engine, splits.test)
    val = raw.divided(temperature)
    val.write_predictions(run.val_predictions_file)
    tested.write_predictions(run.predictions_file)
    logged = table_of(trainer).values_at(best["global_step"], "val/")
    logged = logged or {config.metric.removeprefix("val/"): _best_score(trainer)}
    write_json(
        run.metrics_file,
        {
            "val": {**logged, "samples": len(splits.val)},
            "test": tested.metrics,
            "calibration": {
                "temperature": temperature,
                "val": _before_and_after(raw, val),
                "test": _before_and_after(tested.divided(1 / temperature), tested),
            },
        },
    )
    scalars = {f"test/{k}": v for k, v in tested.metrics.items() if isinstance(v, float)}
    for logger in trainer.loggers:
        logger.log_metrics({**scalars, "epoch": trainer.current_epoch}, trainer.global_step)
        logger.finalize("success")


def _before_and_after(before: Evaluation, after: Evaluation) -> dict[str, float]:
    return {
        f"{name}_{when}": split.metrics[name]
        for name in ("ece", "loss")
        for when, split in (("before", before), ("after", after))
    }


def _best_score(trainer: Trainer) -> float:
    """The metric of best.ckpt in float32, for a run of an older version whose metrics.csv is lost:
    its checkpoints do not have what was logged."""
    callback = trainer.checkpoint_callback
    assert isinstance(callback, ModelCheckpoint)
    return float("nan" if callback.best_model_score is None else callback.best_model_score)
