"""The reviews of a run, if they are still what they were."""

from pathlib import Path

from imdb_cls.data.hub import HubUnreachable
from imdb_cls.data.load import load_splits
from imdb_cls.data.splits import Splits
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run


def splits_of(run: Run, cache: Path | None = None) -> Splits:
    """The splits that a run was trained, validated and tested on.

    Args:
        cache: where converted reviews are kept. None: in the run's own cache_dir.

    Raises:
        UserError: they cannot be had here, or are no longer those.
    """
    resolved = run.info().resolved
    if resolved is None:
        raise UserError("the run ended before it had any reviews")
    config = run.config()
    try:
        splits = load_splits(config.data, cache or Path(config.cache_dir))
    except HubUnreachable as error:
        raise UserError(f"the reviews are on the Hub, which cannot be reached: {error}") from None
    if splits.fingerprint != resolved.data_fingerprint:
        raise UserError("the reviews have changed since the run: this is no longer its test split")
    return splits
