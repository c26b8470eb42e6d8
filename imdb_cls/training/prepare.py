"""Everything that a run needs, made and checked before it writes a file."""

from dataclasses import dataclass

import pytorch_lightning as pl

from imdb_cls.config import Config
from imdb_cls.config.steps import training_steps, warmup_steps
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model.classifier import SentimentClassifier
from imdb_cls.model.device import Device, choose_device, plain_scores
from imdb_cls.model.pretrained import load_network
from imdb_cls.training.loggers.build import check_loggers
from imdb_cls.training.resolve import Recompose, ResolvedConfig, resolve


@dataclass(frozen=True)
class PreparedRun:
    resolved: ResolvedConfig
    device: Device
    tokenizer: HeadTailTokenizer
    module: SentimentClassifier


def prepare_run(
    config: Config, recompose: Recompose, resolved: ResolvedConfig | None = None
) -> PreparedRun:
    """Raises UserError for whatever a user can mend: device, weights, reviews, sizes."""
    device = choose_device(config.trainer)
    check_loggers(config)
    resolved = resolved or resolve(config, recompose)
    config, weights, reviews = resolved.config, resolved.pretrained, len(resolved.splits.train)
    data = config.data
    tokenizer = HeadTailTokenizer.load(weights.path, data.max_length, data.head_fraction)
    # The new layers are drawn from this seed.
    pl.seed_everything(config.seed, workers=True, verbose=False)
    module = SentimentClassifier(
        load_network(weights, config.model),
        config.model,
        warmup_steps(config, reviews),
        training_steps(config, reviews),
        config.seed,
        config.trainer.log_every_n_steps,
        plain_scores(config.model, device),
    )
    return PreparedRun(resolved, device, tokenizer, module)
