"""The end of a sweep: sweep.csv, sweep.html and the leaderboard, which can be made again later."""

from pathlib import Path

from imdb_cls.reports.sweep.leaderboard import Leaderboard
from imdb_cls.reports.sweep.page import write_page
from imdb_cls.reports.sweep.summary import show
from imdb_cls.reports.sweep.trials_csv import write_csv
from imdb_cls.runs.results import read
from imdb_cls.terminal import Screen


def conclude(path: Path, screen: Screen) -> bool:
    """Writes sweep.csv and sweep.html, and prints the leaderboard. Gives whether no trial is
    damaged. Raises UserError if `path` is no sweep."""
    board = Leaderboard(read(path))
    write_csv(board, board.results.path / "sweep.csv")
    write_page(board, board.results.path / "sweep.html")
    show(board, screen)
    return all(trial.status != "damaged" for trial in board.results.trials)
