"""The transform jobs of runs in an account."""

from datetime import UTC, datetime
from typing import Any

from launch.aws.client import AWS, explained
from launch.aws.instances import find
from launch.hosting.names import PREFIX, RUN_TAG


def rows(aws: AWS, last: int) -> list[dict[str, str]]:
    """The latest `last` jobs, the newest first."""
    client = aws.client("sagemaker")
    with explained("listing transform jobs"):
        found = aws.listed(
            "sagemaker",
            "list_transform_jobs",
            "TransformJobSummaries",
            NameContains=f"{PREFIX}batch-",
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"MaxItems": last},
        )
        return [
            _row(
                client.describe_transform_job(TransformJobName=job["TransformJobName"]),
                aws.listed("sagemaker", "list_tags", "Tags", ResourceArn=job["TransformJobArn"]),
            )
            for job in found
        ]


def billed_seconds(job: dict[str, Any]) -> float:
    """The seconds that a job is billed for, or would be if it ended now."""
    begun, end = job.get("TransformStartTime"), job.get("TransformEndTime") or datetime.now(UTC)
    return max(0.0, float((end - begun).total_seconds())) if begun else 0.0


def _row(job: dict[str, Any], tags: list[dict[str, str]]) -> dict[str, str]:
    machines, hours = job["TransformResources"], billed_seconds(job) / 3600
    count, price = machines["InstanceCount"], find(machines["InstanceType"]).price
    return {
        "job": job["TransformJobName"],
        "run": next((tag["Value"] for tag in tags if tag["Key"] == RUN_TAG), ""),
        "on": f"{count} x {machines['InstanceType']}",
        "status": job["TransformJobStatus"],
        "created": job["CreationTime"].astimezone().strftime("%Y-%m-%d %H:%M"),
        "cost": "" if price is None else f"${hours * count * price:.2f}",
        "billed": "until it ends" if job["TransformJobStatus"] == "InProgress" else "",
        "why": job.get("FailureReason", ""),
    }
