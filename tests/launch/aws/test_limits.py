"""What AWS would refuse is refused before it is sent."""

from typing import Any

import botocore.session
import pytest

from imdb_cls.errors import UserError
from launch.aws import limits
from tests.support.local_aws import minimal_request


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"ResourceConfig": {"InstanceType": "ml.g5.xlrge", "VolumeSizeInGB": 1}},
            "InstanceType=ml.g5.xlrge is not one that AWS knows. Did you mean 'ml.g5.xlarge'?",
        ),
        ({"RoleArn": "my-role"}, "RoleArn"),
        (
            {"RoleArn": "arn:aws:iam::12:role/x"},
            "RoleArn=arn:aws:iam::12:role/x does not look like",
        ),
        ({"TrainingJobName": "a" * 64}, "TrainingJobName"),
        ({"TrainingJobName": "a_b"}, "does not look like"),
        ({"Environment": {"A": "x" * 513}}, "Environment.A is 513: AWS takes at most 512"),
        ({"Environment": {"a-b": "x"}}, "key 'a-b'"),
        (
            {"Environment": {f"A{i}": "" for i in range(101)}},
            "Environment is 101: AWS takes at most 100",
        ),
        ({"Tags": [{"Key": "k", "Value": "x" * 257}]}, "Tags[0].Value is 257"),
        ({"VpcConfig": {"Subnets": ["a b"], "SecurityGroupIds": ["sg-1"]}}, "Subnets[0]=a b"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": "1"}}, "MaxRuntimeInSeconds"),
        ({"Colour": "red"}, "Colour"),
        (
            {
                "ResourceConfig": {
                    **minimal_request()["ResourceConfig"],
                    "KeepAlivePeriodInSeconds": 21601,
                }
            },
            "KeepAlivePeriodInSeconds is 21601: AWS takes at most 21600",
        ),
    ],
)
def test_what_aws_would_refuse_is_refused_here(change: dict[str, Any], said: str) -> None:
    limits.check_request(minimal_request())
    with pytest.raises(UserError) as error:
        limits.check_request(minimal_request(**change))
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_what_is_missing_is_named() -> None:
    incomplete = minimal_request()
    del incomplete["RoleArn"]
    with pytest.raises(UserError, match="RoleArn"):
        limits.check_request(incomplete)


def test_everything_that_is_wrong_is_found() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateTrainingJob").input_shape
    found = limits.problems(minimal_request("a_b", RoleArn="x"), shape, "request")
    assert [line.split("=")[0] for line in found] == ["request.TrainingJobName", "request.RoleArn"]
