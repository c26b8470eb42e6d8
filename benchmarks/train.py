"""What training costs, beside the original's recipe and the best of Hugging Face's Trainer.

    python -m benchmarks.train [steps=12] [lengths=128,256,512] [rounds=1] [size=packaged]
        [output=FILE]

The packaged weights (size=base: random ones of DistilBERT-base's size, as for a GPU) and the same
packaged reviews, in batches of 32; each contender is a whole process, whose optimizer steps are
timed without the first quarter. The Trainer takes accelerate:
pip install -e ".[bench]". Machines differ and share their cores: trust the ratios within one run.
"""

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Report, child
from imdb_cls import cli
from imdb_cls.errors import UserError

BATCH = 32
_SIZES = ("packaged", "base")
OURS, ORIGINAL, TRAINER = "this project", "the original's recipe", "Trainer, all switched on"


@dataclass
class Arguments:
    steps: int | None = 12
    lengths: str = "128,256,512"
    rounds: int | None = 1
    size: str = "packaged"
    output: str | None = None


@dataclass
class Timed:
    """The steps of a contender from its third one on."""

    reviews: int = 0
    tokens: int = 0
    """Those of the reviews, without padding."""
    flops: float = 0.0
    """Of the matrix products that these tokens need, forward and backward."""
    seconds: float = 0.0

    def __add__(self, other: "Timed") -> "Timed":
        ours, theirs = asdict(self), asdict(other)
        return Timed(**{name: value + theirs[name] for name, value in ours.items()})


def main() -> None:
    if sys.argv[1:2] == ["--contender"]:
        name, length, steps, weights = sys.argv[2:]
        print(json.dumps(contender(name, int(length), int(steps), weights)))
        return
    with cli.one_line_errors(), tempfile.TemporaryDirectory() as directory:
        given = cli.arguments(Arguments, sys.argv[1:], __doc__ or "")
        if given.size not in _SIZES:
            raise UserError(f"size={given.size}: allowed are {', '.join(_SIZES)}")
        weights = draw_base(Path(directory)) if given.size == "base" else ""
        report = Report("train", asdict(given), given.output)
        with report.measuring("the matrix products of this machine"):
            peaks = child(["-c", "import json, benchmarks.train as t; print(json.dumps(t.peak()))"])
        report.facts["TFLOP/s of a large matrix product"] = round(peaks["flops"] / 1e12, 3)
        for length in map(int, given.lengths.split(",")):
            sums: dict[str, Timed] = {}
            for number in range(given.rounds or 1):
                names = [ORIGINAL, TRAINER, OURS]
                for name in names if number % 2 == 0 else names[::-1]:
                    with report.measuring(f"{length} tokens: {name}"):
                        words = ["-m", "benchmarks.train", "--contender", name, str(length)]
                        found = Timed(**child([*words, str(given.steps), weights]))
                    sums[name] = sums.get(name, Timed()) + found
            first = sums[ORIGINAL]
            for name, timed in sums.items():
                speed = timed.reviews / timed.seconds
                report.add(
                    {
                        "": f"{length} tokens: {name}",
                        "reviews/s": speed,
                        "tokens/s": timed.tokens / timed.seconds,
                        "× the original's": speed * first.seconds / first.reviews,
                        "MFU, %": 100 * timed.flops / timed.seconds / peaks["flops"],
                    }
                )
        report.close()


def peak() -> dict[str, float]:
    """Operations a second of a product of large matrices, in the precision that training takes."""
    import torch

    from imdb_cls.config import TrainerConfig
    from imdb_cls.model.device import choose_device, torch_device

    device = choose_device(TrainerConfig())
    where = torch_device(device.accelerator)
    kinds = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    size = 8192 if where.type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=where).to(kinds.get(device.precision)) for _ in "ab")
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        c = a @ b
        float(c[0, 0])  # waits for a GPU
        best = min(best, time.perf_counter() - start)
    return {"flops": 2 * size**3 / best}


def draw_base(directory: Path) -> str:
    """Writes random weights of DistilBERT-base's size beside the packaged tokenizer. Returns the
    directory."""
    import shutil

    from transformers import DistilBertConfig, DistilBertForMaskedLM

    from imdb_cls.data.packaged import package_directory

    DistilBertForMaskedLM(DistilBertConfig()).save_pretrained(directory)
    name = _config("").model.pretrained.name
    package = package_directory(name.split("==")[0].replace("-", "_"), name, "weights")
    shutil.copy(package / "model" / "tokenizer.json", directory)
    return str(directory)


def contender(name: str, length: int, steps: int, weights: str) -> dict[str, float]:
    """Trains for `steps` steps, and gives what they took as the fields of Timed.

    Args:
        weights: a directory; the packaged ones if it is empty.
    """
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from imdb_cls.inference.shape import Shape

    times: list[float] = []

    def stepped(*_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    register_optimizer_step_post_hook(stepped)
    with tempfile.TemporaryDirectory() as directory:
        train = _ours if name == OURS else _trainer
        lengths = train(Path(directory), weights, length, steps, name == TRAINER)
    warm = max(2, steps // 4)
    timed = lengths[warm * BATCH : len(times) * BATCH]
    shape = Shape.read(_weights(weights).path)
    flops = sum(_flops(tokens, shape.n_layers, shape.dim, shape.hidden_dim) for tokens in timed)
    return asdict(Timed(len(timed), sum(timed), flops, times[-1] - times[warm - 1]))


def _flops(tokens: int, layers: int, width: int, hidden: int) -> float:
    """Of a review's matrix products in training: three times those of its forward pass (Kaplan et
    al. 2020, "Scaling Laws for Neural Language Models", section 2.1), all layers for all tokens."""
    linear = 2 * tokens * (4 * width**2 + 2 * width * hidden)
    attention = 4 * tokens**2 * width
    return 3.0 * layers * (linear + attention)


def _weights(directory: str) -> Any:
    from imdb_cls.model.weights import locate

    return locate(_config(directory).model.pretrained)


def _config(weights: str) -> Any:
    from hydra import compose, initialize_config_dir

    from imdb_cls.config import CONF_DIR, parse

    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return parse(compose("train", [*_chosen(weights), "logger=none"]))


def _chosen(weights: str) -> list[str]:
    chosen = ["data=imdb_packaged", "model=distilbert_minilm"]
    if weights:
        chosen += ["model.pretrained.source=local", f"model.pretrained.name={weights}"]
        chosen += [f"model.pretrained.{part}_sha256=null" for part in ("weights", "tokenizer")]
    return chosen


def _overrides(weights: str, length: int, steps: int) -> list[str]:
    return [
        *_chosen(weights),
        *(f"data.train_size={steps * BATCH}", f"data.max_length={length}"),
        *("data.val_size=2", "data.test_size=2", "trainer.max_epochs=1", "logger=none"),
        *(f"data.batch_size={BATCH}", "export=false", "report=false", "trainer.progress=lines"),
    ]


def _ours(directory: Path, weights: str, length: int, steps: int, _: bool) -> list[int]:
    """As the command trains. Gives the length of each review in the order of the steps."""
    import contextlib
    import os

    from imdb_cls import train
    from imdb_cls.data.samplers import train_batches
    from imdb_cls.data.tokens import tokenize
    from imdb_cls.inference.tokenizer import HeadTailTokenizer
    from imdb_cls.runs.reviews import cache_of, splits_of
    from imdb_cls.runs.run import Run

    run = Run(directory / "run")
    sys.argv = ["train", *_overrides(weights, length, steps), f"hydra.run.dir={run.path}"]
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        train.main()
    config = run.config()
    tokenizer = HeadTailTokenizer.load(run.model_dir, length, config.data.head_fraction)
    tokens = tokenize(splits_of(run).train, tokenizer, cache_of(config))
    batches = train_batches(tokens.lengths, BATCH, config.seed, epoch=0)
    return [int(tokens.lengths[row]) for rows in batches for row in rows]


def _trainer(directory: Path, chosen: str, length: int, steps: int, best: bool) -> list[int]:
    """Hugging Face's Trainer: as the original used it, or with like lengths together, padding by
    the batch, fused kernels and the precision that this machine multiplies natively."""
    import torch
    from datasets import Dataset
    from transformers import (
        DataCollatorWithPadding,
        DistilBertForSequenceClassification,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
    )

    from imdb_cls.data import sources
    from imdb_cls.data.splits import draw_splits
    from imdb_cls.model import pretrained
    from imdb_cls.model.device import choose_device

    config, weights = _config(chosen), _weights(chosen)
    config.data.train_size = steps * BATCH
    config.data.val_size = config.data.test_size = 2
    train = draw_splits(sources.load(config.data, Path(config.cache_dir).expanduser()), config.data)
    network = pretrained.load_network(weights, config.model)
    settings = network.config.to_dict() | {"attention_dropout": 0.1, "dropout": 0.1}
    if best:
        settings |= {"attention_dropout": 0.0, "dropout": 0.0}
    shape = type(network.config).from_dict(settings)
    shape._attn_implementation = "sdpa" if best else "eager"
    model = DistilBertForSequenceClassification(shape)
    model.load_state_dict(network.state_dict())
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(weights.path / "tokenizer.json"), pad_token="[PAD]"
    )
    reviews = train.train.reviews
    given = tokenizer(
        list(reviews["text"]),
        truncation=True,
        max_length=length,
        padding=False if best else "max_length",
    )
    data = Dataset.from_dict(
        {**{k: given[k] for k in ("input_ids", "attention_mask")}, "labels": list(reviews["label"])}
    )
    precision = choose_device(config.trainer).precision if best else "32-true"
    grouped: dict[str, Any] = {"train_sampling_strategy": "group_by_length"} if best else {}
    arguments = TrainingArguments(
        str(directory),
        per_device_train_batch_size=BATCH,
        max_steps=steps,
        learning_rate=5e-5,
        bf16=precision == "bf16-mixed",
        fp16=precision == "16-mixed",
        use_cpu=not torch.cuda.is_available(),
        optim="adamw_torch_fused" if best else "adamw_torch",
        dataloader_num_workers=1 if best else 0,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **grouped,
    )
    order: list[int] = []

    class Noted(Trainer):
        def training_step(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
            order.extend(inputs["attention_mask"].sum(1).tolist())
            return super().training_step(model, inputs, *rest, **named)

    collator = DataCollatorWithPadding(tokenizer)
    Noted(model, arguments, data_collator=collator, train_dataset=data).train()
    return order


if __name__ == "__main__":
    main()
