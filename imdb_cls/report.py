"""A run on a page, or several on one: python -m imdb_cls.report RUN [RUN …]"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from imdb_cls import cli
from imdb_cls.errors import UserError
from imdb_cls.loading import importing
from imdb_cls.storage import check_writable
from imdb_cls.terminal import quiet_libraries

USAGE = """
usage: python -m imdb_cls.report RUN [RUN …] [output=FILE]

  RUN              a run directory, finished or not
  output=FILE      where the page goes (RUN/report.html; of several runs, compare.html)

One RUN: how good it is, how training went, where it fails, what exactly ran. Several: a page that
compares them. The page is one file that needs no network; its path is printed. If files of a run
are damaged, the page has what is whole and says what is not, and the exit code is 1.
"""


@dataclass
class Arguments:
    output: str | None = None
    runs: list[str] = field(default_factory=list)


def report(given: Arguments) -> None:
    """Raises UserError for whatever a user can mend."""
    quiet_libraries()
    if not given.runs:
        raise UserError(f"which run? {USAGE.strip().splitlines()[0]}")
    from imdb_cls.runs.run import Run

    runs = list({run.path.resolve(): run for run in map(Run.open, given.runs)}.values())
    alone = len(runs) == 1
    output = _writable(given.output) or (runs[0].report_file if alone else Path("compare.html"))
    check_writable(output)
    with importing():
        from imdb_cls.model import contents
        from imdb_cls.reports.compare.page import write as compare
        from imdb_cls.reports.run.page import write

    print(write(runs[0], output=output) if alone else compare([run.path for run in runs], output))
    if damage := [line for run in runs for line in contents.read(run).damage]:
        print("left out, and said on the page:", *damage, sep="\n", file=sys.stderr)
        sys.exit(1)


def _writable(output: str | None) -> Path | None:
    """Raises UserError if no page can be written there."""
    if output is None:
        return None
    path = Path(output).expanduser()
    if path.is_dir():
        raise UserError(f"output={output} is a directory: name a file, such as {path}/report.html")
    if not path.absolute().parent.is_dir():
        raise UserError(f"output={output}: no such directory: {path.absolute().parent}")
    return path


def main() -> None:
    with cli.one_line_errors():
        report(cli.arguments(Arguments, sys.argv[1:], USAGE, free="runs"))


if __name__ == "__main__":
    main()
