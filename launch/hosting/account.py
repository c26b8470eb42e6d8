"""Where in AWS a job or an endpoint goes: region, role and bucket."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from imdb_cls.config import AwsConfig, BackendConfig
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.training.loggers.aws import region as default_region
from launch.aws.client import AWS, check_region, connect, explained
from launch.aws.s3 import split_uri
from launch.aws.store import Store

# What a dry run writes, which asks for no account.
_NO_ACCOUNT = "000000000000"


@dataclass(frozen=True)
class Account:
    region: str
    number: str
    role: str
    store: Store
    aws: AWS | None
    """None: a dry run, which needs neither an account nor a network."""
    poll_seconds: float
    rehearsal: bool
    """Whether it is that of a local AWS, which ends with the command."""

    def facts(self) -> dict[str, str]:
        """What a plan shows of it."""
        return {"rehearsal": "in a local AWS: nothing is paid"} if self.rehearsal else {}

    @property
    def submitted(self) -> str:
        """What Ctrl-C does to something that was submitted."""
        return f"Ctrl-C {'ends the rehearsal' if self.rehearsal else 'leaves it running'}"

    @property
    def client(self) -> AWS:
        """`aws`, where it is known that this is no dry run."""
        assert self.aws is not None
        return self.aws


@contextlib.contextmanager
def opened(config: BackendConfig, kept: Path | None = None) -> Iterator[Account]:
    """The account that a command works in: the user's, none in a dry run, and in a rehearsal that
    of a local AWS for as long as this lasts.

    Args:
        kept: where a rehearsal keeps the files of its jobs, to go on from; None: nowhere.

    Raises:
        UserError: as account_of, or this machine cannot rehearse.
    """
    with contextlib.ExitStack() as stack:
        if config.rehearse:
            from launch.rehearsal.rehearse import rehearsed

            config = stack.enter_context(rehearsed(config, kept))
        yield account_of(config)


def account_of(config: AwsConfig) -> Account:
    """The user's. In a dry run a placeholder stands for a role and an account that are not known.

    Raises:
        UserError: no region, no role, no such bucket, or one of somebody else's.
    """
    aws = None if config.dry_run else connect(config.region)
    if aws is None:
        with explained("finding the region"):
            region = default_region(config.region) or "us-east-1"
            check_region(region)
        number = _NO_ACCOUNT
        nobody = f"arn:aws:iam::{_NO_ACCOUNT}:role/{config.key('role')}-is-not-set"
        role = role_of(config) if config.role else nobody
    else:
        role = role_of(config)
        # Credentials are tried here first: S3 does not say that they have expired.
        region, number = aws.region, aws.account()
    bucket = config.bucket or f"sagemaker-{region}-{number}"
    prefix = "imdb_cls" if config.prefix is None else config.prefix
    store = Store(aws, bucket, prefix, config.output_kms_key)
    if aws:
        check_bucket(aws, bucket, None if config.bucket else number, config.key("bucket"))
    return Account(region, number, role, store, aws, config.poll_seconds, config.rehearse)


def role_of(config: AwsConfig) -> str:
    """The ARN of the role that a container runs as. Raises UserError if it is not set, or is none
    of a role."""
    if not config.role:
        raise UserError(
            f"{config.key('role')} is not set: the ARN of the role that the container runs as,"
            " or SAGEMAKER_ROLE (docs/sagemaker.md and docs/serving.md say what it must be"
            " allowed to do)"
        )
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", config.role):
        raise UserError(
            f"{config.key('role')}={config.role} is not the ARN of a role:"
            " arn:aws:iam::<account>:role/<name>"
        )
    return config.role


def account_for(run: Run, config: AwsConfig) -> Account:
    """The same for something that is made of a run: where the run was a job and the config does not
    say otherwise, it goes where the job went. Raises UserError if there is no region either."""
    region, bucket, prefix = of_job(run)
    if config.region not in (None, region):
        bucket = prefix = None  # a bucket lies in one region
    config = replace(config, region=config.region or region, bucket=config.bucket or bucket)
    return account_of(replace(config, prefix=config.prefix or prefix))


def of_job(run: Run) -> tuple[str | None, str | None, str | None]:
    """Region, bucket and prefix of the job that a run was, if it was one. Raises UserError if its
    record is damaged."""
    info = run.info()
    job = info.job
    if not job or info.rehearsal:
        return None, None, None
    if None in (job.region, job.output):
        raise UserError(f"{run.record_file} is damaged: its job has no region, or no output")
    bucket, folder = split_uri(job.output)
    return job.region, bucket, folder.partition("/jobs/")[0]


def check_bucket(aws: AWS, bucket: str, owner: str | None, key: str) -> None:
    """
    Args:
        owner: the account that it must belong to. Names of default buckets can be guessed.
        key: how a user sets another bucket.

    Raises:
        UserError: there is no such bucket, or it is somebody else's, or in another region.
    """
    owned = {"ExpectedBucketOwner": owner} if owner else {}
    create = f"create it with `aws s3 mb s3://{bucket}`, or set {key}"
    with explained(f"bucket {bucket}", **{"404": create, "NoSuchBucket": create}):
        found = aws.client("s3").head_bucket(Bucket=bucket, **owned)
    region = found.get("BucketRegion", aws.region)
    if region != aws.region:
        raise UserError(
            f"bucket {bucket} lies in {region}, the job in {aws.region}:"
            " SageMaker wants both in one region"
        )
