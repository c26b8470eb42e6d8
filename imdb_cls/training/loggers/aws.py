"""What this machine, or the job it is, says of AWS."""

import os

from imdb_cls.runs.run import Run


def region(asked: str | None) -> str | None:
    """The config's region, else AWS_REGION (a SageMaker job has it, boto3 does not read it), else
    the one that every AWS program takes: AWS_DEFAULT_REGION or the profile's."""
    import boto3

    return asked or os.environ.get("AWS_REGION") or boto3.Session().region_name


def as_dimension(value: str) -> str:
    """As CloudWatch takes a dimension: ASCII, at most 1,024 characters, not blank."""
    return value.encode("ascii", "replace").decode().strip()[:1024] or "?"


def dimensions(run: Run, job: str) -> dict[str, str]:
    """What a value in CloudWatch is told from others by."""
    sweep = run.info().sweep
    return {"Run": run.name, "Job": job, **({"Sweep": sweep} if sweep else {})}
