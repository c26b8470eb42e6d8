"""SageMaker jobs of runs: python -m launch.jobs list | attach | stop | fetch | metrics …"""

import os
import re
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from imdb_cls import cli
from imdb_cls.errors import UserError, missing, nearest
from imdb_cls.terminal import Screen, as_table, show_table
from launch.hosting.names import NAME

_POLL_S = 3.0
USAGE = """
usage: python -m launch.jobs COMMAND [JOB] [key=value …]

  list             what was made of runs: the latest jobs, endpoints, their cost, what went wrong
  attach JOB       follow a job to its end and fetch what it left
  stop JOB         stop it; a checkpoint is saved, and fetch brings it back
  fetch JOB        fetch what it left, without waiting
  metrics RUN      its metrics as CloudWatch has them: a table, and a csv beside it
  clean [DIR …]    what lies in S3 below the prefix; --yes deletes what nothing needs of it: jobs
                   whose runs are complete in DIR (outputs, multirun), inputs that no job reads

JOB is a run directory or, where that is lost, the name of its job.

  region=NAME      list, clean, and of a name: the AWS region (the profile's)
  name=TEXT        list: only jobs with this in their names
  last=N           list: how many (20)
  output=DIR       attach, fetch: the run directory to make for a name (outputs/<name>)
  output=FILE      metrics: the csv (RUN/cloudwatch.csv)
  bucket=NAME      clean: (SAGEMAKER_BUCKET, or the account's default one)
  prefix=NAME      clean: (imdb_cls)
  days=N           clean: inputs and results of batches stay for so long (30)
"""


@dataclass
class Arguments:
    region: str | None = None
    name: str | None = None
    last: int | None = 20
    output: str | None = None
    bucket: str | None = None
    prefix: str = "imdb_cls"
    days: int | None = 30
    words: list[str] = field(default_factory=list)


def run(given: Arguments) -> None:
    """Raises UserError for whatever a user can mend."""
    command, *words = given.words or [""]
    if command == "list" and not words:
        return list_all(given)
    if command == "clean":
        return clean(given, words)
    if command not in ("attach", "stop", "fetch", "metrics"):
        known = ("list", "attach", "stop", "fetch", "metrics", "clean")
        raise UserError(
            f"unknown command '{' '.join(given.words)}': allowed are {', '.join(known)}."
            f"{nearest(command, known)}"
        )
    if len(words) != 1:
        takes = "one run directory" + ("" if command == "metrics" else ", or the name of a job")
        raise UserError(f"{command} takes {takes}: python -m launch.jobs --help")
    if command == "metrics":
        return _metrics(words[0], given)
    if not Path(words[0]).expanduser().is_dir() and re.fullmatch(NAME, words[0]):
        return _on_name(command, words[0], given)
    return _on_run(command, words[0])


def _on_run(command: str, path: str) -> None:
    from launch.training import attach, fetch, follow, reconcile

    (found, aws), screen = attach.open_remote(path), Screen()
    if command == "attach":
        attach.attach(found, aws, screen, poll_seconds=_POLL_S)
    elif command == "stop":
        attach.stop_run(found, aws, screen)
    else:
        fetch.check_newest(found)
        description = reconcile.look(found, aws)
        if description is None or description["TrainingJobStatus"] not in follow.OVER:
            how = description["SecondaryStatus"] if description else "AWS does not know it"
            raise UserError(
                f"{found.info().job_name} is not over ({how}): python -m launch.jobs attach {path}"
            )
        fetch.fetch(found, aws, description)
        attach.ended(found, aws, description, screen)


def _on_name(command: str, name: str, given: Arguments) -> None:
    """The same for a job whose run directory is lost."""
    from imdb_cls.runs.run import RUN_NAME
    from launch.aws.client import connect
    from launch.aws.instances import asked, find
    from launch.training import attach, fetch, follow

    screen = Screen()
    try:
        aws = connect(given.region)
        description = follow.describe(aws, name)
    except UserError as error:
        absent = missing(Path(name), "directory")
        raise UserError(f"{name}: {absent} As the name of a job: {error}") from None
    if RUN_NAME not in description.get("Environment", {}):
        raise UserError(f"{name} is not the job of a run: it has no variable {RUN_NAME}")
    if command == "stop":
        return attach.stop_live(aws, description, name, screen)
    if command == "attach":
        price = find(asked(description["ResourceConfig"])[0]).price
        try:
            description = follow.follow(aws, name, screen.console, _POLL_S, price)
        except KeyboardInterrupt:
            screen.say(f"detached; the job goes on: python -m launch.jobs attach {name}")
            sys.exit(130)
    elif description["TrainingJobStatus"] not in follow.OVER:
        raise UserError(
            f"{name} is not over ({description['SecondaryStatus']}):"
            f" python -m launch.jobs attach {name}"
        )
    place = Path(given.output or f"outputs/{name}").expanduser().absolute()
    found = fetch.fetch_anew(place, aws, description)
    attach.ended(found, aws, description, screen)
    return None


def _metrics(path: str, given: Arguments) -> None:
    from imdb_cls.runs.run import Run
    from launch.aws.client import connect
    from launch.training import attach, follow, metrics

    found, screen = Run.open(path), Screen()
    job, settings = found.info().job_name, found.config().logger.cloudwatch
    if job:
        _, aws = attach.open_remote(path)
        rows = metrics.read(aws, job, follow.describe(aws, job))
    elif settings:
        rows = metrics.read_logged(connect(settings.region), found, settings)
    else:
        raise UserError(
            f"{path} ran on this machine without logger=cloudwatch: see {found.table_file}"
        )
    if not rows:
        raise UserError(f"CloudWatch has no metrics of {job or path} (yet, or no longer)")
    output = Path(given.output) if given.output else found.path / "cloudwatch.csv"
    metrics.write(rows, output)
    table = [metrics.shown(name, rows) for name in dict.fromkeys(row.name for row in rows)]
    screen.console.print(as_table(table, job or found.name, boxed=screen.console.is_terminal))
    screen.say(f"written to {output}")


def list_all(given: Arguments) -> None:
    """All that was made of runs in a region: jobs, the newest first, and what is billed."""
    from launch.aws.client import NotAllowed, connect
    from launch.batches import listing as batches
    from launch.endpoints import listing as endpoints
    from launch.training import listing as training

    aws, screen, last = connect(given.region), Screen(), given.last or 20
    jobs = training.rows(aws, given.name, last)
    if jobs:
        show_table(screen.console, jobs, f"training jobs in {aws.region}")
    else:
        named = f"with '{given.name}' in their names" if given.name else "of runs"
        screen.say(f"no training jobs {named} in {aws.region}")
    if given.name:
        return
    others = (("transform jobs", partial(batches.rows, last=last)), ("endpoints", endpoints.rows))
    for what, rows in others:
        try:
            if found := rows(aws):
                show_table(screen.console, found, f"{what} in {aws.region}")
        except NotAllowed as error:
            screen.say(f"{what}: {error}")


def clean(given: Arguments, words: list[str]) -> None:
    """What lies in S3, and what of it nothing needs. Raises UserError for a place that is none."""
    from launch.aws.client import connect
    from launch.aws.store import Store
    from launch.hosting.account import check_bucket
    from launch.training import stored

    places = [Path(word) for word in words if word != "--yes"]
    for place in places:
        if not place.is_dir():
            raise UserError(f"{place}: {missing(place, 'directory')}")
    places = places or [place for place in map(Path, ("outputs", "multirun")) if place.is_dir()]
    aws, screen = connect(given.region), Screen()
    account = aws.account()
    asked = given.bucket or os.environ.get("SAGEMAKER_BUCKET")
    bucket = asked or f"sagemaker-{aws.region}-{account}"
    check_bucket(aws, bucket, None if asked else account, "bucket")
    store = Store(aws, bucket, given.prefix, None)
    found = stored.things(aws, store, places, given.days or 30)
    if not found:
        return screen.say(f"nothing lies at {store.folder()}")
    show_table(screen.console, [thing.row() for thing in found], store.folder())
    unneeded = [thing for thing in found if not thing.kept]
    size = f"{sum(thing.size for thing in unneeded) / 1e6:.1f} MB"
    if "--yes" not in words:
        again = f": {size}; --yes deletes them" if unneeded else ""
        return screen.say(f"nothing needs {len(unneeded)} of {len(found)}{again}")
    stored.delete(aws, store, unneeded)
    return screen.say(f"deleted {len(unneeded)} of {len(found)}: {size}")


def main() -> None:
    with cli.one_line_errors():
        run(cli.arguments(Arguments, sys.argv[1:], USAGE, free="words"))


if __name__ == "__main__":
    main()
