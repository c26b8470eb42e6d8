"""Region, role and bucket of a job or an endpoint, and what is wrong with them."""

from dataclasses import replace

import pytest

from imdb_cls.config import AwsConfig, BackendConfig
from imdb_cls.errors import UserError
from launch.aws.client import AWS
from launch.hosting.account import account_of, check_bucket
from launch.rehearsal.aws import LocalAWS
from tests.support.local_aws import BUCKET, REGION


@pytest.mark.parametrize(
    ("config", "said"),
    [(BackendConfig(), "backend.role is not set"), (AwsConfig(), "role is not set")],
)
def test_a_key_is_called_as_its_user_writes_it(aws: LocalAWS, config: AwsConfig, said: str) -> None:
    with pytest.raises(UserError) as error:
        account_of(config)
    assert str(error.value).startswith(said)
    dry = account_of(replace(config, dry_run=True))
    assert dry.role.endswith(f":role/{config.key('role')}-is-not-set")


def test_a_missing_bucket_is_one_line_that_says_what_to_do(aws: LocalAWS) -> None:
    check_bucket(AWS(REGION), BUCKET, "123456789012", "bucket")
    with pytest.raises(UserError) as error:
        check_bucket(AWS(REGION), "nobodys-bucket", None, "backend.bucket")
    line = str(error.value)
    assert len(line.splitlines()) == 1
    assert line.startswith("bucket nobodys-bucket: ")
    assert "aws s3 mb s3://nobodys-bucket" in line
    assert "backend.bucket" in line


def test_a_bucket_in_another_region_is_refused(aws: LocalAWS) -> None:
    aws.client("s3", "eu-west-1").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with pytest.raises(UserError, match="far-away lies in eu-west-1, the job in us-east-1"):
        check_bucket(AWS(REGION), "far-away", None, "bucket")
