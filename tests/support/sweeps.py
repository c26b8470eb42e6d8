"""What lies in a sweep's directory, read by tests as any user would read it."""

import csv
from pathlib import Path


def table(sweep: Path) -> list[dict[str, str]]:
    """The rows of sweep.csv."""
    with (sweep / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def statuses(sweep: Path) -> dict[str, str]:
    """Each trial's status, by the trial's name."""
    return {row["trial"]: row["status"] for row in table(sweep)}


def begun(sweep: Path, trial: str) -> int:
    """How often a trial was begun or resumed."""
    log = sweep / trial / "train.log"
    return log.read_text().count("INFO run directory: ") if log.is_file() else 0
