"""Reads a sweep, finished or not: python -m imdb_cls.sweep <sweep dir>"""

import sys
from pathlib import Path

from imdb_cls import cli
from imdb_cls.errors import UserError
from imdb_cls.loading import importing
from imdb_cls.terminal import Screen

USAGE = """usage: python -m imdb_cls.sweep DIR

  DIR              the directory of a sweep: multirun/<date>/<time>, or what hydra.sweep.dir= said

Prints the leaderboard, and writes DIR/sweep.csv (a row a trial) and DIR/sweep.html (leaderboard,
curves, what each parameter does) from the trials as they stand now, however far they are. The exit
code is 1 if files of a trial are damaged: it is shown, and no mean counts it."""


def sweep(words: list[str]) -> None:
    """Raises UserError for whatever a user can mend."""
    if len(words) != 1 or words[0].startswith("-"):
        given = f"not '{' '.join(words)}'" if words else "such as multirun/<date>/<time>"
        raise UserError(f"one directory of a sweep is wanted, {given}. {USAGE.splitlines()[0]}")
    with importing():
        from imdb_cls.reports.sweep.conclude import conclude

    if not conclude(Path(words[0]), Screen()):
        sys.exit(1)


def main() -> None:
    words = sys.argv[1:]
    if any(word in ("-h", "--help") for word in words):
        print(USAGE)
        return
    with cli.one_line_errors():
        sweep(words)


if __name__ == "__main__":
    main()
