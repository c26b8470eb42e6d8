"""A run's model, ready to label: what test, evaluate and predict have in common."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls.config.schema import ACCELERATORS, PRECISIONS
from imdb_cls.errors import UserError
from imdb_cls.inference import settings as stored
from imdb_cls.inference.engine import OnnxEngine, cores, has_gpu, has_onnxruntime
from imdb_cls.inference.labeller import Labeller, tokenizer_of
from imdb_cls.inference.settings import Settings
from imdb_cls.runs.run import Run

if TYPE_CHECKING:
    from imdb_cls.inference.network import TorchEngine
    from imdb_cls.model.device import Device


def open_labeller(
    run: Run, accelerator: str = "auto", precision: str | None = None, batch_size: int | None = None
) -> Labeller:
    """A run's model as `predict` takes it: on a CPU, and unless a precision is asked for, its fast
    one if it has one.

    Raises:
        UserError: the model is damaged, or the device or the precision is not to be had.
    """
    _check(accelerator, precision)
    settings = settings_of(run)
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not has_gpu())
    if settings.fast and precision is None and has_onnxruntime() and on_cpu:
        engine = OnnxEngine(run.model_dir / settings.fast, cores())
        return Labeller(engine, tokenizer_of(run.model_dir, settings), settings.temperature)
    return open_network(run, accelerator, precision, batch_size)


def open_network(
    run: Run, accelerator: str = "auto", precision: str | None = None, batch_size: int | None = None
) -> Labeller:
    """A run's model in torch, as the run itself was tested but for what is given.

    Raises:
        UserError: as open_labeller.
    """
    _check(accelerator, precision)
    from imdb_cls.model import device as devices

    config = run.config()
    asked = replace(config.trainer, accelerator=accelerator, devices="auto", precision="auto")
    if precision:
        asked.eval_precision = precision
    chosen = devices.choose(asked)
    settings = settings_of(run)
    tokenizer = tokenizer_of(run.model_dir, settings)
    engine = load_engine(
        run.model_dir,
        tokenizer.pad_id,
        chosen,
        batch_size or config.data.eval_batch_size,
    )
    return Labeller(engine, tokenizer, settings.temperature)


def load_engine(model: Path, pad_id: int, where: "Device", batch_size: int) -> "TorchEngine":
    """The network of a model/ directory, on a device and in its eval_precision."""
    from imdb_cls.inference.network import TorchEngine, load_trained
    from imdb_cls.model.device import torch_device
    from imdb_cls.terminal import quiet_loaded_libraries

    quiet_loaded_libraries(bars=False)
    device = torch_device(where.accelerator)
    return TorchEngine(load_trained(model), pad_id, device, where.eval_precision, batch_size)


def settings_of(run: Run) -> Settings:
    """Those stored with the model; of a run from before they were, its config's."""
    if (run.model_dir / stored.FILE).is_file():
        return stored.read(run.model_dir)
    data = run.config().data
    return Settings(data.max_length, data.head_fraction)


def _check(accelerator: str, precision: str | None) -> None:
    for key, value, allowed in (
        ("device", accelerator, ACCELERATORS),
        ("precision", precision or "auto", PRECISIONS),
    ):
        if value not in allowed:
            raise UserError(f"{key}={value}: allowed are {', '.join(allowed)}")
