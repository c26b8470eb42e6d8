"""The training jobs of runs in an account: how they stand, what they cost, what went wrong."""

from typing import Any

from imdb_cls.errors import one_line
from imdb_cls.runs.run import RUN_NAME
from launch.aws.client import AWS, explained
from launch.aws.instances import asked, chosen, find
from launch.training.ending import reason_of
from launch.training.follow import OVER, Description, cost, seconds_since
from launch.training.request import TAG

_WIDEST_REASON = 80


def rows(aws: AWS, part: str | None, last: int) -> list[dict[str, str]]:
    """The latest `last` jobs, the newest first.

    Args:
        part: only those with this in their names.
    """
    return [_row(job) for job in jobs(aws, part, PaginationConfig={"MaxItems": last})]


def jobs(aws: AWS, part: str | None = None, **others: Any) -> list[Description]:
    """All training jobs of ours, the newest first; `others` are for boto3's paginator."""
    filters = [{"Name": f"Tags.{TAG}", "Operator": "Exists"}]
    if part:
        filters.append({"Name": "TrainingJobName", "Operator": "Contains", "Value": part})
    with explained("listing jobs"):
        found = aws.listed(
            "sagemaker",
            "search",
            "Results",
            Resource="TrainingJob",
            SearchExpression={"Filters": filters},
            SortBy="CreationTime",
            SortOrder="Descending",
            **others,
        )
    return [result["TrainingJob"] for result in found]


def _row(job: Description) -> dict[str, str]:
    resources = job["ResourceConfig"]
    machine = chosen(resources) or " or ".join(asked(resources))
    paid = cost(job, find(asked(resources)[0]).price)
    wrong = job["TrainingJobStatus"] in ("Failed", "Stopped")
    return {
        "job": job["TrainingJobName"],
        "run": job.get("Environment", {}).get(RUN_NAME, ""),
        "on": machine + ", spot" * bool(job.get("EnableManagedSpotTraining")),
        "status": job.get("SecondaryStatus") or job["TrainingJobStatus"],
        "created": job["CreationTime"].astimezone().strftime("%Y-%m-%d %H:%M"),
        "minutes": f"{seconds_since(job) / 60:.1f}",
        "cost": "" if paid is None else f"${paid:.2f}",
        "billed": "" if job["TrainingJobStatus"] in OVER else "until it ends",
        "why": one_line(Exception(reason_of(job)), _WIDEST_REASON) if wrong else "",
    }
