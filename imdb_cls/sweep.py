"""Reads a sweep, finished or not: python -m imdb_cls.sweep <sweep dir>"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from imdb_cls import arguments, cli
from imdb_cls.errors import UserError

USAGE = """
usage: python -m imdb_cls.sweep DIR

  DIR              the directory of a sweep: multirun/<date>/<time>, or what hydra.sweep.dir= said

Prints the leaderboard, and writes DIR/sweep.csv (a row a trial) and DIR/sweep.html (leaderboard,
curves, what each parameter does) from the trials as they stand now, however far they are.
"""


@dataclass
class Arguments:
    directories: list[str] = field(default_factory=list)


def sweep(given: Arguments) -> None:
    """Raises UserError for whatever a user can mend."""
    from imdb_cls.sweeps.report import conclude
    from imdb_cls.terminal import Screen

    if len(given.directories) != 1:
        what = "which sweep?" if not given.directories else "one sweep at a time:"
        raise UserError(f"{what} {USAGE.strip().splitlines()[0]}")
    conclude(Path(given.directories[0]), Screen())


def main() -> None:
    with cli.one_line_errors():
        sweep(arguments.parse(Arguments, sys.argv[1:], USAGE, free="directories"))


if __name__ == "__main__":
    main()
