"""The config of a run that is resumed: its own, with what may change."""

from imdb_cls.config import Config, parse
from imdb_cls.config.overrides import applied, key_of
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run

# A run that goes on longer, on another device or with other loggers is still the same run.
_MAY_CHANGE = ("trainer.", "logger.", "cache_dir")
# With this key a step would take another number of reviews from the middle of the run on.
_MAY_NOT_CHANGE = "trainer.accumulate_grad_batches"


def resumed_config(run: Run, overrides: list[str]) -> tuple[Config, bool]:
    """The run's config with `overrides`, and whether they change it. Those that the run was begun
    with are allowed: its command resumes it, with resume=… behind it. Raises UserError for one that
    would make it another run."""
    begun_with = set(run.info().overrides)
    fresh = [o for o in overrides if o not in begun_with and key_of(o) != "resume"]
    for override in fresh:
        key = override.lstrip("+")
        if not key.startswith(_MAY_CHANGE) or key.startswith(_MAY_NOT_CHANGE):
            raise UserError(
                f"{override}: a resumed run keeps its own config; trainer.…, logger.… and cache_dir"
                " may change. Train anew to change more"
            )
    loaded = run.raw_config()
    before, after = parse(loaded), parse(applied(loaded, fresh))
    if after.trainer.max_epochs < before.trainer.max_epochs:
        raise UserError(
            f"trainer.max_epochs={after.trainer.max_epochs}: the run was begun with"
            f" {before.trainer.max_epochs}; a resumed run may only be longer"
        )
    return after, after != before
