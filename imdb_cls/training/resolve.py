"""Finds the weights and the reviews that a config names, or the packaged ones in their place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from imdb_cls.config import Config, DataConfig, PretrainedConfig
from imdb_cls.config.overrides import key_of
from imdb_cls.data.hub import HubUnreachable
from imdb_cls.data.load import load_splits
from imdb_cls.data.splits import Splits
from imdb_cls.errors import UserError
from imdb_cls.model.weights import Pretrained, locate
from imdb_cls.runs.fingerprint import fingerprint
from imdb_cls.runs.info import Resolved

T = TypeVar("T")
Recompose = Callable[[list[str]], Config]

# The options of the packaged weights and reviews, and the keys that allow to take them.
STAND_INS = {"model": "distilbert_minilm", "data": "imdb_packaged"}
_FALLBACK = {"model": "model.pretrained.fallback", "data": "data.fallback"}


@dataclass(frozen=True)
class ResolvedConfig:
    """A config, with the weights and the reviews that it names."""

    config: Config
    pretrained: Pretrained
    splits: Splits
    stand_ins: list[str]
    """The overrides that chose packaged weights or reviews, because the Hub did not answer."""

    @property
    def record(self) -> Resolved:
        """`resolved` of run.json."""
        weights, data = self.config.model.pretrained, self.config.data
        # The cache of the Hub names a directory by the commit, which the config may leave open.
        files = data.train if isinstance(data.train, list) else [data.train or ""]
        on_hub = weights.source == "hub" and not weights.path
        return Resolved(
            model=weights.name,
            revision=self.pretrained.path.name if on_hub else weights.revision,
            weights_sha256=self.pretrained.weights_sha256,
            data=data.name or data.path or ", ".join(files),
            data_revision=data.revision if data.source == "hub" else None,
            data_fingerprint=self.splits.fingerprint,
            fallback=bool(self.stand_ins),
            sizes={name: len(getattr(self.splits, name)) for name in ("train", "val", "test")},
            duplicates_removed=self.splits.removed,
            left_out=self.splits.left_out,
        )

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.config, self.record)

    @property
    def announcement(self) -> str | None:
        """Says which packaged weights or reviews were taken, and how to forbid it."""
        if not self.stand_ins:
            return None
        names = {"model": self.config.model.pretrained.name, "data": self.config.data.name}
        groups = [key_of(stand_in) for stand_in in self.stand_ins]
        taken = " and ".join(f"{group}={STAND_INS[group]} ({names[group]})" for group in groups)
        forbid = " ".join(f"{_FALLBACK[group]}=false" for group in groups)
        return f"This run goes on with {taken}. To forbid that: {forbid}"


def resolve(config: Config, recompose: Recompose) -> ResolvedConfig:
    """Finds the weights and the reviews of a config. Where the Hub does not answer, takes packaged
    ones if the config allows it, else raises UserError. `recompose` composes the config anew with
    more overrides, as if the user had typed them."""
    weights, data, cache = config.model.pretrained, config.data, Path(config.cache_dir)
    pretrained = _found("model", weights, lambda: locate(weights))
    splits = _found("data", data, lambda: load_splits(data, cache))
    found = {"model": pretrained, "data": splits}
    stand_ins = [f"{group}={STAND_INS[group]}" for group in found if found[group] is None]
    if stand_ins:
        config = recompose(stand_ins)
    return ResolvedConfig(
        config,
        pretrained or locate(config.model.pretrained),
        splits or load_splits(config.data, cache),
        stand_ins,
    )


def with_stand_ins(overrides: list[str], stand_ins: list[str]) -> list[str]:
    """The overrides with those of `stand_ins` in the place of the same groups' others."""
    groups = tuple(f"{key_of(choice)}=" for choice in stand_ins)
    return [*(o for o in overrides if not o.startswith(groups)), *stand_ins]


def _found(group: str, asked: DataConfig | PretrainedConfig, find: Callable[[], T]) -> T | None:
    """What `find` gives. If the Hub does not answer, None where `asked` allows packaged ones."""
    try:
        return find()
    except HubUnreachable as error:
        if asked.fallback:
            return None
        raise UserError(
            f"the Hub cannot be reached for {group} '{asked.name}' ({error}), and"
            f" {_FALLBACK[group]} is false: go online, or choose {group}={STAND_INS[group]}"
        ) from error
