"""What makes training and testing fast, one change at a time.

    python -m benchmarks.ablation [steps=10] [output=FILE]

Reviews per second on this machine's first device, with the packaged weights and reviews. Machines
differ and share their cores: trust the ratios within one run.
"""

import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir

from benchmarks.bench import Report
from imdb_cls import cli
from imdb_cls.config import CONF_DIR, Config, parse
from imdb_cls.data import sources
from imdb_cls.data.samplers import train_batches
from imdb_cls.data.splits import draw_splits
from imdb_cls.data.tokens import Tokens, tokenize
from imdb_cls.inference.forward import logits
from imdb_cls.inference.padding import Batch, eval_batches, pad
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model import pretrained
from imdb_cls.model.device import choose_device, torch_device
from imdb_cls.model.optim import build
from imdb_cls.model.weights import locate
from imdb_cls.terminal import quiet_loaded_libraries


@dataclass
class Arguments:
    steps: int | None = 10
    output: str | None = None


_PACKAGED = ("data=imdb_packaged", "model=distilbert_minilm", "data.train_size=5000")


@dataclass(frozen=True)
class Recipe:
    name: str
    padded_to_512: bool = False
    like_length: bool = True
    precision: str = "auto"
    attention_dropout: float = 0.0
    dropout: float = 0.1
    max_length: int = 512
    attention: str = "sdpa"
    whole: bool = False
    """Whether the last layer is computed for every token, as transformers' own forward does."""


_ORIGINAL = Recipe("the original's: all padded to 512", True, False, "32-true", 0.1, whole=True)
TRAINING = (
    _ORIGINAL,
    replace(_ORIGINAL, name="padded per batch", padded_to_512=False),
    Recipe("+ batches of like length", precision="32-true", attention_dropout=0.1, whole=True),
    Recipe("+ no attention dropout", precision="32-true", whole=True),
    Recipe("+ native precision", whole=True),
    Recipe("+ last layer for [CLS] alone"),
    Recipe("+ no dropout", dropout=0.0),
    Recipe("+ 256 tokens", dropout=0.0, max_length=256),
    Recipe("+ eager attention", dropout=0.0, max_length=256, attention="eager"),
    Recipe("+ 128 tokens", dropout=0.0, max_length=128, attention="eager"),
)
TESTING = (
    Recipe("padded per batch, fp32", like_length=False, precision="32-true", whole=True),
    Recipe("batches of like length, fp32", precision="32-true", whole=True),
    Recipe("+ last layer for [CLS] alone", precision="32-true"),
    Recipe("batches of like length, native precision"),
)


def base_config() -> Config:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return parse(compose("train", [*_PACKAGED, "logger=none"]))


def batches(recipe: Recipe, tokens: Tokens, size: int, steps: int, pad_id: int) -> list[Batch]:
    """`steps` batches in a random order, as the recipe makes them."""
    if recipe.like_length:
        rows = train_batches(tokens.lengths, size, seed=0, epoch=0)[1:]
    else:
        rows = np.array_split(
            np.random.default_rng(0).permutation(len(tokens)), len(tokens) // size
        )
    made = []
    for some in rows[:steps]:
        ids = tokens.ids(some)
        if recipe.padded_to_512:
            ids = [*ids, np.zeros(512, dtype=np.int32)]
            batch = pad(ids, np.append(tokens.labels[some], 0), pad_id)
            assert batch.attention_mask is not None
            batch = Batch(batch.input_ids[:-1], batch.attention_mask[:-1], batch.labels[:-1])
        else:
            batch = pad(ids, tokens.labels[some], pad_id)
        made.append(batch)
    return made


def measure(recipe: Recipe, config: Config, steps: int, training: bool) -> float:
    """Reviews per second, after two steps of warm-up."""
    resolved = choose_device(replace(config.trainer, precision=recipe.precision))
    where = torch_device(resolved.accelerator)
    weights = locate(config.model.pretrained)
    shape = replace(
        config.model, dropout=recipe.dropout, attention_dropout=recipe.attention_dropout
    )
    network = pretrained.load_network(weights, shape).to(where)
    cache = Path(config.cache_dir).expanduser()
    tokenizer = HeadTailTokenizer.load(weights.path, recipe.max_length, 0.25)
    split = draw_splits(sources.load(config.data, cache), config.data).train
    tokens = tokenize(split, tokenizer, cache)
    size = config.data.batch_size if training else config.data.eval_batch_size
    if training or not recipe.like_length:
        made = batches(recipe, tokens, size, steps + 2, tokenizer.pad_id)
    else:
        every = eval_batches(tokens.lengths, size)
        chosen = every[:: max(1, len(every) // (steps + 2))][: steps + 2]
        made = [pad(tokens.ids(r), tokens.labels[r], tokenizer.pad_id) for r in chosen]
    optimizer, _ = build(network, config.model, 1, 1000, fused=resolved.precision != "16-mixed")
    kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(resolved.precision)
    network.train(training)
    start, reviews = 0.0, 0
    for number, batch in enumerate(made):
        if number == 2:
            _wait(where)
            start = time.perf_counter()
        batch = batch.to(where)
        with (
            torch.set_grad_enabled(training),
            torch.autocast(where.type, kind or torch.bfloat16, enabled=kind is not None),
        ):
            if recipe.whole:
                found = network(batch.input_ids, attention_mask=batch.attention_mask).logits
            else:
                fused = recipe.attention == "sdpa"
                found = logits(network, batch.input_ids, batch.attention_mask, fused)
        if training:
            torch.nn.functional.cross_entropy(found.float(), batch.labels).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        reviews += len(batch.labels) if number >= 2 else 0
    _wait(where)
    return reviews / (time.perf_counter() - start)


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], __doc__ or "")
        quiet_loaded_libraries(bars=False)
        config, report = base_config(), Report("ablation", asdict(given), given.output)
        for title, recipes, training in (("training", TRAINING, True), ("testing", TESTING, False)):
            first = 0.0
            for recipe in recipes:
                with report.measuring(f"{title}: {recipe.name}"):
                    speed = measure(recipe, config, given.steps or 1, training)
                first = first or speed
                report.add({"": f"{title}: {recipe.name}", "reviews/s": speed, "×": speed / first})
        report.close()


if __name__ == "__main__":
    main()
