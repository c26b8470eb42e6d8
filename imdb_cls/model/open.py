"""Opens a run's model to label with it: what evaluate and predict have in common."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls.config.knobs import check_value, one_of
from imdb_cls.config.schema import ACCELERATORS, PRECISIONS
from imdb_cls.inference.engine import Engine, has_gpu, open_fast
from imdb_cls.inference.labeller import Labeller
from imdb_cls.inference.settings import Settings
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.loading import importing
from imdb_cls.runs.run import Run
from imdb_cls.terminal import notice

if TYPE_CHECKING:
    from imdb_cls.inference.network import TorchEngine
    from imdb_cls.model.device import Device


def open_labeller(
    run: Run,
    accelerator: str = "auto",
    precision: str | None = None,
    batch_size: int | None = None,
    *,
    allow_fast: bool = True,
) -> Labeller:
    """A run's model. On a CPU it is the fast one, if there is one and no precision is asked for;
    else torch runs it as it was tested, but for what is asked for; without `allow_fast`, in any
    case. Raises UserError if the model is damaged, or the device or the precision is not to be had.
    """
    check_value("device", accelerator, one_of(*ACCELERATORS))
    check_value("precision", precision, one_of(*PRECISIONS))
    settings = settings_of(run)
    tokenizer = HeadTailTokenizer.load(run.model_dir, settings.max_length, settings.head_fraction)
    engine: Engine | None = None
    if allow_fast and precision is None:
        on_cpu = accelerator == "cpu" or (accelerator == "auto" and not has_gpu())
        engine = open_fast(run.model_dir, settings.fast) if on_cpu else None
    if engine is None:
        with importing():
            from imdb_cls.model.device import choose_device

        config = run.config()
        asked = replace(config.trainer, accelerator=accelerator, devices="auto", precision="auto")
        if precision:
            asked.eval_precision = precision
        batch_size = batch_size or config.data.eval_batch_size
        engine = load_engine(run.model_dir, tokenizer.pad_id, choose_device(asked), batch_size)
    return Labeller(engine, tokenizer, settings.temperature)


def load_engine(model: Path, pad_id: int, device: "Device", batch_size: int) -> "TorchEngine":
    """The network of a model/ directory, on a device and in its eval_precision."""
    with importing():
        from imdb_cls.inference.network import TorchEngine, load_trained
        from imdb_cls.model.device import torch_device
        from imdb_cls.terminal import quiet_loaded_libraries

    quiet_loaded_libraries(bars=False)
    where = torch_device(device.accelerator)
    return TorchEngine(load_trained(model), pad_id, where, device.eval_precision, batch_size)


def settings_of(run: Run) -> Settings:
    """Those in the run's model/ directory; for a run that is older than they are, those of its
    config, which is said. Raises UserError if they are missing or damaged."""
    file = run.whole(run.model_dir / Settings.FILE)
    if not file.is_file() and "calibration" not in run.metrics():
        data = run.config().data
        notice(
            f"{run.path} is older than {Settings.FILE}: reviews are cut as its config says, and no"
            " score is calibrated"
        )
        return Settings(data.max_length, data.head_fraction)
    return Settings.read(run.model_dir)
