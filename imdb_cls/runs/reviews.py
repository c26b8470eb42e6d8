"""The reviews of a run, if they are still what they were."""

import os
from pathlib import Path

from imdb_cls.config import Config
from imdb_cls.data.hub import HubUnreachable
from imdb_cls.data.load import load_splits
from imdb_cls.data.splits import Splits
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.storage import may_write


def cache_of(config: Config) -> Path:
    """The cache to read a run with: its own, or, where that is another user's, the reader's."""
    path = Path(config.cache_dir)
    if may_write(path):
        return path
    return Path(os.environ.get("IMDB_CLS_CACHE") or Config.cache_dir).expanduser()


def splits_of(run: Run) -> Splits:
    """The splits that a run was trained, validated and tested on. Raises UserError if they cannot
    be had here, or are no longer those."""
    resolved = run.info().resolved
    if resolved is None:
        raise UserError("the run ended before it had any reviews")
    config = run.config()
    try:
        splits = load_splits(config.data, cache_of(config))
    except HubUnreachable as error:
        raise UserError(f"the reviews are on the Hub, which cannot be reached: {error}") from None
    if splits.fingerprint != resolved.data_fingerprint:
        raise UserError("the reviews have changed since the run: this is no longer its test split")
    return splits
