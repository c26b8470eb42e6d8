"""Whether the files of a run are as it left them: run.json has their hashes."""

from collections.abc import Callable, Iterable
from pathlib import Path

from imdb_cls.runs.info import RunInfo
from imdb_cls.storage import as_recorded, sha256_of

CONFIG = "config.yaml"
# What a run comes to. inference.json has the hashes of the other files in model/.
RESULTS = (
    *("metrics.json", "metrics.csv", "predictions.parquet", "predictions_val.parquet"),
    "model/inference.json",
)


def hashes(run: Path, names: Iterable[str]) -> dict[str, str]:
    """`sha256` of run.json, for those of these files that are there."""
    return {name: sha256_of(run / name) for name in names if (run / name).is_file()}


def check(
    run: Path, file: Path, info: RunInfo, digest: Callable[[Path], str | None] = sha256_of
) -> Path:
    """Gives `file`. Raises UserError if it is not as the run left it: damaged, missing, of another
    run. While a run goes on only its config has a hash, and in one of an older version nothing."""
    expected = (info.sha256 or {}).get(file.relative_to(run).as_posix())
    if expected is None:
        return file
    mend = f"python -m imdb_cls.train resume={run} makes it again"
    if file.name == CONFIG:
        mend = "put back the one that the run wrote, or train anew"
    elif info.job_name and not info.rehearsal and not info.resumed_here:
        mend = f"python -m launch.jobs fetch {run} brings it again"
    return as_recorded(file, expected, "run", "run.json", mend, digest)
