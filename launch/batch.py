"""A file of reviews through a SageMaker transform job: python -m launch.batch RUN FILE …"""

import contextlib
import sys
import tempfile
from pathlib import Path

from imdb_cls.errors import UserError
from imdb_cls.terminal import Screen
from launch.hosting.options import carry_out, split, write_requests

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
    paths, keys = split(words)
    if len(paths) != 2:
        raise UserError("a run directory and a file: python -m launch.batch RUN reviews.csv")
    from imdb_cls.runs.run import Run
    from launch.batches import job, plan
    from launch.batches.options import read

    options = read(keys)
    found, screen = Run.open(paths[0], complete=True), Screen()
    with contextlib.ExitStack() as stack:
        if options.rehearse:
            from launch.rehearsal.rehearse import local_account

            options = stack.enter_context(local_account(options))
        staging = stack.enter_context(tempfile.TemporaryDirectory(prefix="imdb_cls-"))
        planned = plan.plan_batch(found, paths[1], options, Path(staging))
        planned.show(screen.console)
        if options.dry_run:
            file = found.path / "batch-requests.json"
            write_requests(file, planned.requests.items(), screen)
        else:
            job.carry_out(planned, screen)


def main() -> None:
    carry_out(run, sys.argv[1:], USAGE)


if __name__ == "__main__":
    main()
