"""Tries to break what docs/reliability.md promises, counts how it ends, and writes the counts into
that page: python -m torture [seed=N] [kills=N] [cases=N] [only=TEXT] [write=true]

Exit code 1 if any try ended in other numbers, in a traceback or in silence.
"""

import os
import shlex
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from imdb_cls import cli
from torture import document
from torture.cases import FAILURES, Case, End, Kind, Verdict
from torture.every import every
from torture.lab import REPOSITORY, Lab

USAGE = """
usage: python -m torture [seed=N] [kills=N] [cases=N] [only=TEXT] [write=true]

  seed=N           what is tried, and when it is killed (1)
  kills=N          of trainings, by SIGKILL; others come to a third of it (200)
  cases=N          damaged files (200); of other inputs a share of it, or all
  workers=N        at once (a core each)
  only=TEXT        the cases with this text in their kind or name
  write=true       writes the table to docs/reliability.md (false)
"""

# So many that every damaged file is among them.
_ALL = 1100


@dataclass
class Arguments:
    seed: int | None = 1
    kills: int | None = 200
    cases: int | None = 200
    workers: int | None = os.cpu_count()
    only: str = ""
    write: str = "false"


def torture(given: Arguments, console: Console) -> bool:
    """Gives whether nothing failed."""
    began = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="torture-"))
    lab = Lab(root, given.seed or 1)
    lab.prepare()
    done = []
    cases = _ALL if given.only else given.cases or 0
    for kind in every(lab, given.kills or 0, cases, given.only):
        carry_out(kind, root, given.workers or 1)
        done.append(kind)
        show(kind, lab.seed, console)
    if given.write == "true":
        minutes = (time.monotonic() - began) / 60
        page = REPOSITORY / "docs" / "reliability.md"
        document.write(page, done, given_words(given), minutes)
    console.print(document.table(done), soft_wrap=True)
    failed = any(kind.failed for kind in done)
    if failed:
        console.print(f"the directories of what failed are in {root}")
    else:
        shutil.rmtree(root, ignore_errors=True)
    return not failed


def show(kind: Kind, seed: int, console: Console) -> None:
    """Its row, and how to repeat what failed."""
    console.print(document.line(kind.row()), soft_wrap=True)
    for case, verdict in kind.failed:
        again = f"python -m torture seed={seed} only={shlex.quote(case.name)}"
        console.print(f"  {verdict.end}: {again}", soft_wrap=True)
        console.print(f"    {verdict.detail}", soft_wrap=True)
    for what, count in kind.notes.most_common():
        console.print(f"  {count} {what}")


def given_words(given: Arguments) -> str:
    return f"make torture SEED={given.seed} KILLS={given.kills} CASES={given.cases}"


def carry_out(kind: Kind, root: Path, workers: int) -> None:
    """Tries the cases of a kind, side by side."""

    def carry(case: Case) -> None:
        path = Path(tempfile.mkdtemp(prefix="case-", dir=root))
        verdict = judged(case, path)
        kind.add(case, verdict)
        if verdict.end not in FAILURES:
            shutil.rmtree(path, ignore_errors=True)

    def work(number: int) -> None:
        while case := kind.next():
            carry(case)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    if kind.last:
        carry(kind.last)


def judged(case: Case, path: Path) -> Verdict:
    """A case that cannot be judged has failed: nothing is left out."""
    try:
        return case.judge(path)
    except Exception as error:
        return Verdict(End.TRACEBACK, f"{type(error).__name__}: {error}, in {path}")


def main() -> None:
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], USAGE)
        sys.exit(0 if torture(given, Console(markup=False, highlight=False)) else 1)


if __name__ == "__main__":
    main()
