"""A file of reviews through a SageMaker transform job: python -m launch.batch RUN FILE …"""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls import cli
from imdb_cls.errors import UserError

if TYPE_CHECKING:
    from imdb_cls.runs.run import Run
    from imdb_cls.terminal import Screen
    from launch.batches.options import Options

USAGE = """
usage: python -m launch.batch RUN FILE|s3://… [key=value …]

  RUN              a run directory
  FILE             reviews in a .csv, .jsonl or .parquet file
  s3://…           an object, or all below a prefix: a request a line, {"inputs": "i liked it"}

  Every key of conf/batch.yaml, among them
  text=COLUMN      the column that the reviews are in (text)
  output=FILE      a row a review, in their order; .csv, .jsonl or .parquet (RUN/<job>.jsonl)
  instance_type=NAME  (ml.m5.xlarge)
  wait=false       submit and return
  stop=true        stop the job that the same command began
  dry_run=true     the plan, its price and the requests; sends nothing
  rehearse=true    the same job in a local AWS, without an account

The same command again goes on with the same job, and never pays for it twice.
"""


def run(words: list[str]) -> None:
    """Raises UserError for whatever a user can mend."""
    keys = [word for word in words if "=" in word and not _names_something(word)]
    paths = [word for word in words if word not in keys]
    if len(paths) != 2:
        raise UserError("a run directory and a file: python -m launch.batch RUN reviews.csv")
    from imdb_cls.runs.run import Run
    from imdb_cls.terminal import Screen
    from launch.batches import options

    chosen = options.read(keys)
    found, screen = Run.open(paths[0], complete=True), Screen()
    if not chosen.rehearse:
        return _carry_out(found, paths[1], chosen, screen)
    from launch.rehearsal.rehearse import local_account

    with local_account(chosen) as chosen:
        return _carry_out(found, paths[1], chosen, screen)


def _carry_out(run: "Run", source: str, options: "Options", screen: "Screen") -> None:
    from imdb_cls.storage import write_json
    from launch.aws.client import connect
    from launch.batches import job

    with tempfile.TemporaryDirectory(prefix="imdb_cls-") as staging:
        plan = job.prepare(run, source, options, Path(staging))
        plan.show(screen.console)
        if options.dry_run:
            file = run.path / "batch-requests.json"
            sent = {"CreateModel": plan.model, "CreateTransformJob": plan.job}
            write_json(file, [{"operation": o, "request": r} for o, r in sent.items()])
            return screen.say(f"dry run: nothing was sent; the requests are in {file}")
        job.carry_out(plan, plan.place.aws or connect(options.region), screen)
    return None


def _names_something(word: str) -> bool:
    return word.startswith("s3://") or Path(word).exists()


def main() -> None:
    words = sys.argv[1:]
    with cli.one_line_errors():
        if any(word in ("-h", "--help") for word in words):
            return print(USAGE.strip())
        from launch.aws.client import ConnectionLost
        from launch.hosting.options import in_our_words

        try:
            return run(words)
        except UserError as error:
            raise in_our_words(error) from None
        except ConnectionLost as error:
            raise UserError(f"{error}; the same command goes on from there") from None


if __name__ == "__main__":
    main()
