"""The region of AWS, and the dimensions of a run's values in CloudWatch."""

import os

from imdb_cls.runs.run import Run


def region(asked: str | None) -> str | None:
    """The config's region, else AWS_REGION, which a SageMaker job has and boto3 does not read, else
    the region that every AWS program takes: AWS_DEFAULT_REGION or the profile's."""
    import boto3

    return asked or os.environ.get("AWS_REGION") or boto3.Session().region_name


def dimensions(run: Run, job: str) -> dict[str, str]:
    """What tells the values of a run in CloudWatch from those of others, as CloudWatch takes it:
    ASCII, at most 1,024 characters, not blank."""
    sweep = run.info().sweep
    names = {"Run": run.name, "Job": job, **({"Sweep": sweep} if sweep else {})}
    return {
        key: name.encode("ascii", "replace").decode().strip()[:1024] or "?"
        for key, name in names.items()
    }
