"""Everything a run needs, settled and checked before it writes a file."""

from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl

from imdb_cls.config import Config
from imdb_cls.config.steps import training_steps, warmup_steps
from imdb_cls.data.splits import Splits
from imdb_cls.errors import UserError
from imdb_cls.inference import tokenizer as tokenizers
from imdb_cls.inference.tokenizer import Tokenizer
from imdb_cls.model import device
from imdb_cls.model.classifier import SentimentClassifier
from imdb_cls.model.pretrained import attention, load_network
from imdb_cls.runs.info import Resolved
from imdb_cls.training.loggers.build import check as check_loggers
from imdb_cls.training.resolve import Recompose, Settled, settle


@dataclass(frozen=True)
class Prepared:
    config: Config
    device: device.Device
    splits: Splits
    tokenizer: Tokenizer
    module: SentimentClassifier
    resolved: Resolved
    """What the names in the config came to, for run.json."""
    announcement: str | None
    """What stands in for what, where the Hub could not be reached."""

    @property
    def cache(self) -> Path:
        return Path(self.config.cache_dir).expanduser()


def prepare(config: Config, recompose: Recompose, settled: Settled | None = None) -> Prepared:
    """Raises UserError for whatever a user can mend: device, weights, reviews, sizes."""
    where = device.settle(config.trainer)
    check_loggers(config)
    settled = settled or settle(config, recompose)
    config, pretrained, splits = settled.config, settled.pretrained, settled.splits
    total = training_steps(config, len(splits.train))
    warmup = warmup_steps(config, len(splits.train))

    tokenizer = Tokenizer(
        tokenizers.load(pretrained.path),
        config.data.max_length,
        config.data.head_fraction,
    )
    # The new layers are drawn from this seed.
    pl.seed_everything(config.seed, workers=True, verbose=False)
    kernels = attention(config.model, where.accelerator, config.data.max_length)
    network = load_network(pretrained, config.model, kernels)
    positions = int(network.config.max_position_embeddings)
    if config.data.max_length > positions:
        raise UserError(
            f"data.max_length={config.data.max_length}: this model has {positions} positions only"
        )
    module = SentimentClassifier(
        network, config.model, warmup, total, config.seed, config.trainer.log_every_n_steps
    )
    return Prepared(
        config, where, splits, tokenizer, module, settled.resolved, settled.announcement
    )
