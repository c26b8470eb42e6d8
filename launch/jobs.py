"""SageMaker jobs of runs: python -m launch.jobs list | attach | stop | fetch | metrics …"""

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imdb_cls import cli
from imdb_cls.errors import UserError, nearest
from imdb_cls.terminal import Screen, as_table

USAGE = """
usage: python -m launch.jobs COMMAND [RUN] [key=value …]

  list             the latest jobs in the account
  attach RUN       follow the job of a run directory to its end and fetch what it left
  stop RUN         stop it; a checkpoint is saved, and fetch brings it back
  fetch RUN        fetch what it left, without waiting
  metrics RUN      its metrics as CloudWatch has them: a table, and a csv beside it

  region=NAME      list: the AWS region (the profile's)
  name=TEXT        list: jobs with this in their names (imdb-cls)
  last=N           list: how many (20)
  output=FILE      metrics: the csv (RUN/cloudwatch.csv)
"""


@dataclass
class Arguments:
    region: str | None = None
    name: str = "imdb-cls"
    last: int | None = 20
    output: str | None = None
    words: list[str] = field(default_factory=list)


def run(given: Arguments) -> None:
    """Raises UserError for whatever a user can mend."""
    command, *runs = given.words or [""]
    if command == "list" and not runs:
        return list_jobs(given)
    if command not in ("attach", "stop", "fetch", "metrics"):
        known = ("list", "attach", "stop", "fetch", "metrics")
        raise UserError(
            f"unknown command '{' '.join(given.words)}': allowed are {', '.join(known)}."
            f"{nearest(command, known)}"
        )
    if len(runs) != 1:
        raise UserError(f"{command} takes one run directory: python -m launch.jobs {command} RUN")
    return _on_run(command, runs[0], given)


def _on_run(command: str, path: str, given: Arguments) -> None:
    from launch.training import attach, fetch, follow

    if command == "metrics":
        return _metrics(path, given)

    found = attach.open_remote(path)
    aws, screen = attach.aws_of(found), Screen()
    job = str(found.info().job_name)
    if command == "attach":
        attach.attach(found, aws, screen, poll_seconds=3.0)
    elif command == "stop":
        attach.stop(aws, job)
        screen.say(f"{job} is being stopped; then: python -m launch.jobs fetch {path}")
    else:
        description = follow.describe(aws, job)
        if description["TrainingJobStatus"] not in follow.OVER:
            raise UserError(
                f"{job} is not over ({description['SecondaryStatus']}):"
                f" python -m launch.jobs attach {path}"
            )
        fetch.fetch(found, aws, description)
        attach.ended(found, aws, description, screen)
    return None


def _metrics(path: str, given: Arguments) -> None:
    from imdb_cls.runs.run import Run
    from launch.aws.client import connect
    from launch.training import attach, follow, metrics

    found, screen = Run.open(path), Screen()
    job, settings = found.info().job_name, found.config().logger.cloudwatch
    if job:
        aws = attach.aws_of(attach.open_remote(path))
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


def list_jobs(given: Arguments) -> None:
    """The latest jobs, the newest first."""
    from launch.aws.client import connect, explained

    aws, screen = connect(given.region), Screen()
    with explained("listing jobs"):
        found = aws.listed(
            "sagemaker",
            "list_training_jobs",
            "TrainingJobSummaries",
            NameContains=given.name,
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"MaxItems": given.last or 20},
        )
    rows = [_row(summary) for summary in found]
    if not rows:
        screen.say(f"no jobs with '{given.name}' in their names in {aws.region}")
        return
    screen.console.print(as_table(rows, aws.region, boxed=screen.console.is_terminal, right=False))


def _row(summary: dict[str, Any]) -> dict[str, str]:
    created: datetime = summary["CreationTime"]
    end = summary.get("TrainingEndTime") or datetime.now(UTC)
    minutes = (end - created).total_seconds() / 60
    return {
        "job": summary["TrainingJobName"],
        "status": summary.get("SecondaryStatus") or summary["TrainingJobStatus"],
        "created": created.astimezone().strftime("%Y-%m-%d %H:%M"),
        "minutes": f"{minutes:.1f}",
    }


def main() -> None:
    with cli.one_line_errors():
        run(cli.arguments(Arguments, sys.argv[1:], USAGE, free="words"))


if __name__ == "__main__":
    main()
