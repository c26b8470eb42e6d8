"""Everything a run needs, settled and checked before it writes a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from imdb_cls import device
from imdb_cls.checks import training_steps, warmup_steps
from imdb_cls.config import Config
from imdb_cls.data import sources
from imdb_cls.data.sources import Pools
from imdb_cls.data.splits import Splits, choose
from imdb_cls.data.tokens import Tokenizer
from imdb_cls.errors import UserError
from imdb_cls.hub import HubUnreachable
from imdb_cls.loggers.build import check as check_loggers
from imdb_cls.model.classifier import SentimentClassifier
from imdb_cls.model.pretrained import Pretrained, attention, load_network, load_tokenizer, locate

Recompose = Callable[[list[str]], Config]

# What a user would type for the packaged ones.
STAND_INS = {"model": "distilbert_minilm", "data": "imdb_packaged"}


@dataclass(frozen=True)
class Prepared:
    config: Config
    device: device.Device
    splits: Splits
    tokenizer: Tokenizer
    module: SentimentClassifier
    resolved: dict[str, Any]
    """What the names in the config came to, for run.json."""
    announcement: str | None
    """What stands in for what, where the Hub could not be reached."""

    @property
    def cache(self) -> Path:
        return Path(self.config.cache_dir).expanduser()


def prepare(config: Config, recompose: Recompose) -> Prepared:
    """Raises UserError for whatever a user can mend: device, weights, reviews, sizes."""
    where = device.settle(config.trainer)
    check_loggers(config)
    config, pretrained, pools, absent = settle(config, recompose)
    splits = choose(pools, config.data)
    total = training_steps(config, len(splits.train))
    warmup = warmup_steps(config, len(splits.train))

    tokenizer = Tokenizer(
        load_tokenizer(pretrained.path, config.data.max_length),
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
    weights = config.model.pretrained
    resolved = {
        "model": weights.name,
        # The Hub's cache names a directory by its commit: known even if the config pins none.
        "revision": pretrained.path.name if weights.source == "hub" else None,
        "weights_sha256": pretrained.weights_sha256,
        "data": config.data.name or config.data.path or config.data.train,
        "data_revision": config.data.revision if config.data.source == "hub" else None,
        "data_fingerprint": splits.fingerprint,
        "fallback": bool(absent),
        "sizes": {name: len(getattr(splits, name)) for name in ("train", "val", "test")},
        "duplicates_removed": splits.removed,
    }
    return Prepared(
        config,
        where,
        splits,
        tokenizer,
        module,
        resolved,
        _announce(config, absent) if absent else None,
    )


def settle(
    config: Config, recompose: Recompose
) -> tuple[Config, Pretrained, Pools, tuple[str, ...]]:
    """The weights and the reviews of a config, or the packaged ones where the Hub does not answer,
    with the config that names them and the groups that changed.

    Args:
        recompose: composes the config anew with these overrides, as if the user had typed them.

    Raises:
        UserError: the Hub is needed, absent, and nothing may stand in.
    """
    cache = Path(config.cache_dir).expanduser()
    pretrained: Pretrained | None = None
    pools: Pools | None = None
    absent: list[str] = []
    try:
        pretrained = locate(config.model.pretrained)
    except HubUnreachable as error:
        _may_stand_in(
            "model", config.model.pretrained.fallback, config.model.pretrained.name, error
        )
        absent.append("model")
    try:
        pools = sources.load(config.data, cache)
    except HubUnreachable as error:
        _may_stand_in("data", config.data.fallback, config.data.name, error)
        absent.append("data")
    if absent:
        config = recompose([f"{group}={STAND_INS[group]}" for group in absent])
    return (
        config,
        pretrained or locate(config.model.pretrained),
        pools or sources.load(config.data, cache),
        tuple(absent),
    )


def _may_stand_in(group: str, allowed: bool, name: str | None, error: HubUnreachable) -> None:
    if not allowed:
        key = "model.pretrained.fallback" if group == "model" else "data.fallback"
        raise UserError(
            f"the Hub cannot be reached for {group} '{name}' ({error}), and {key} is false:"
            f" go online, or choose {group}={STAND_INS[group]}"
        )


def _announce(config: Config, absent: tuple[str, ...]) -> str:
    names = {"model": config.model.pretrained.name, "data": config.data.name}
    taken = " and ".join(f"{group}={STAND_INS[group]} ({names[group]})" for group in absent)
    return f"This run goes on with {taken}. To forbid that: " + " ".join(
        "model.pretrained.fallback=false" if group == "model" else "data.fallback=false"
        for group in absent
    )
