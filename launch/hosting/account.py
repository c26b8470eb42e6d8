"""Where an endpoint or a batch job goes: region, role and bucket."""

import re
from dataclasses import dataclass

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.training.loggers.aws import region as default_region
from launch.aws.client import AWS, check_region, connect, explained
from launch.aws.s3 import split_uri
from launch.aws.store import Store
from launch.hosting.options import Hosting

# What a dry run without an account writes in their place.
_NO_ACCOUNT = "000000000000"
NO_ROLE = f"arn:aws:iam::{_NO_ACCOUNT}:role/role-is-not-set"


@dataclass(frozen=True)
class Place:
    region: str
    role: str
    store: Store
    aws: AWS | None
    """None: a dry run, which needs neither an account nor a network."""

    def uri(self, *path: str) -> str:
        """s3://bucket/prefix/…"""
        return "/".join(filter(None, [f"s3://{self.store.bucket}", self.store.prefix, *path]))


def of_job(run: Run) -> tuple[str | None, str | None, str | None]:
    """Region, bucket and prefix of the job that a run was, if it was one."""
    info = run.info()
    job = info.job
    if not job or info.rehearsal:
        return None, None, None
    bucket, folder = split_uri(job.output)
    return job.region, bucket, folder.partition("/jobs/")[0]


def find(options: Hosting, run: Run) -> Place:
    """
    Raises:
        UserError: no region, no role, no such bucket, or one of somebody else's.
    """
    region, bucket, prefix = of_job(run)
    # Another region than the job's is another bucket, too.
    if options.region and options.region != region:
        bucket = prefix = None
    asked = options.region or region
    if options.dry_run:
        with explained("finding the region"):
            there = default_region(asked) or "us-east-1"
            check_region(there)
        aws, account = None, _NO_ACCOUNT
    else:
        aws = connect(asked)
        there = aws.region
        if not options.role:
            raise UserError(
                "role is not set: the ARN of the role that the container runs as, or SAGEMAKER_ROLE"
                " (docs/serving.md says what it must be allowed to do)"
            )
        # Who asks is settled first: S3 does not say that credentials have expired.
        account = aws.account()
    role = options.role or NO_ROLE
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", role):
        raise UserError(f"role={role} is not the ARN of a role: arn:aws:iam::<account>:role/<name>")
    named = options.bucket or bucket
    store = Store(
        aws,
        named or f"sagemaker-{there}-{account}",
        options.prefix or prefix or "imdb_cls",
        options.output_kms_key,
    )
    store.check_bucket(None if named else account)
    return Place(there, role, store, aws)
