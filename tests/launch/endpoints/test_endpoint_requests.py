"""What a deployment asks of AWS, to the letter, and what it refuses before it asks."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from imdb_cls.config import CONF_DIR
from imdb_cls.errors import UserError
from launch.batches.options import BatchOptions
from launch.endpoints import options
from tests.support.called import call
from tests.support.hosted import IMAGE, Account
from tests.support.local_aws import BUCKET, ROLE

STORE = f"s3://{BUCKET}/imdb_cls"


def sent(account: Account, *words: str) -> dict[str, Any]:
    """The requests of a dry run, by operation; of two, the last."""
    said = account.deploy(*words, "dry_run=true")
    assert (said.code, said.err) == (0, ""), said
    assert account.there() == {"endpoints": [], "configs": [], "models": []}
    found = json.loads((account.run / "endpoint-requests.json").read_text())
    return {step["operation"]: step["request"] for step in found}


def test_a_deployment_is_three_requests(account: Account) -> None:
    assert account.deploy().code == 0
    name, model = account.name, account.request("models")
    tags = [
        {"Key": "imdb-cls:run", "Value": "/".join(account.run.parts[-2:])},
        {"Key": "imdb-cls:endpoint", "Value": name},
        {"Key": "imdb-cls:price-per-hour", "Value": "0.23"},
    ]
    archive = model["PrimaryContainer"]["ModelDataUrl"]
    assert model == {
        "ModelName": model["ModelName"],
        "PrimaryContainer": {
            "Image": IMAGE,
            "ModelDataUrl": archive,
            "Environment": {
                "HF_TASK": "text-classification",
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
                "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
                "SAGEMAKER_REGION": "us-east-1",
            },
        },
        "ExecutionRoleArn": ROLE,
        "Tags": tags,
    }
    config = account.request("configs")
    assert config == {
        "EndpointConfigName": config["EndpointConfigName"],
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": model["ModelName"],
                "InstanceType": "ml.m5.xlarge",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 1.0,
                "ContainerStartupHealthCheckTimeoutInSeconds": 900,
            }
        ],
        "Tags": tags,
    }
    assert account.request("endpoints") == {
        "EndpointName": name,
        "EndpointConfigName": config["EndpointConfigName"],
        "Tags": tags,
    }
    assert name.startswith("imdb-cls-2")
    assert all(len(part) <= 63 for names in account.there().values() for part in names)
    # What is sent lies where the request says.
    key = archive.removeprefix(f"s3://{BUCKET}/")
    found = account.aws.client("s3", "us-east-1").head_object(Bucket=BUCKET, Key=key)
    assert found["ContentLength"] > 10_000


def test_serverless_has_memory_and_no_machines(account: Account) -> None:
    found = sent(account, "kind=serverless", "memory_mb=3072", "max_concurrency=9")
    (variant,) = found["CreateEndpointConfig"]["ProductionVariants"]
    assert variant == {
        "VariantName": "AllTraffic",
        "ModelName": found["CreateModel"]["ModelName"],
        "ServerlessConfig": {"MemorySizeInMB": 3072, "MaxConcurrency": 9},
    }
    assert "RegisterScalableTarget" not in found


def test_a_queue_lies_in_s3_and_is_scaled_down_to_nothing(account: Account) -> None:
    found = sent(account, "kind=async", "max_instances=3", "output_kms_key=key-1")
    folder = f"{STORE}/endpoints/{account.name}"
    assert found["CreateEndpointConfig"]["AsyncInferenceConfig"] == {
        "OutputConfig": {
            "S3OutputPath": f"{folder}/output",
            "S3FailurePath": f"{folder}/failed",
            "KmsKeyId": "key-1",
        },
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
    }
    where = {
        "ServiceNamespace": "sagemaker",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "ResourceId": f"endpoint/{account.name}/variant/AllTraffic",
    }
    bounds = {"MinCapacity": 0, "MaxCapacity": 3}
    assert found["RegisterScalableTarget"] == {**where, **bounds}
    # One request at zero machines must be enough.
    steps = json.loads((account.run / "endpoint-requests.json").read_text())
    (from_zero,) = (
        s["request"] for s in steps if "from-zero" in s["request"].get("PolicyName", "")
    )
    assert from_zero == {
        **where,
        "PolicyName": "imdb-cls-from-zero",
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": 300,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        },
    }
    alarm = found["PutMetricAlarm"]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("HasBacklogWithoutCapacity", 1.0)
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": account.name}]


def test_bounds_are_kept_to_by_requests_a_minute(account: Account) -> None:
    words = ("min_instances=2", "max_instances=6", "instance_count=2")
    found = sent(account, *words, "invocations_per_instance=300")
    assert found["RegisterScalableTarget"]["MinCapacity"] == 2
    assert found["RegisterScalableTarget"]["MaxCapacity"] == 6
    policy = found["PutScalingPolicy"]
    assert policy["PolicyType"] == "TargetTrackingScaling"
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 300.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
        },
        "ScaleInCooldown": 600,
        "ScaleOutCooldown": 120,
    }


def test_capture_networks_and_keys_are_asked_for_only_if_given(account: Account) -> None:
    plain = sent(account)
    assert not {"VpcConfig", "EnableNetworkIsolation"} & set(plain["CreateModel"])
    assert not {"DataCaptureConfig", "KmsKeyId"} & set(plain["CreateEndpointConfig"])
    found = sent(
        account,
        *("data_capture=true", "capture_percent=20", "volume_kms_key=key-2"),
        *("subnets=[subnet-1]", "security_groups=[sg-1]", "network_isolation=true"),
        "tags.team=reviews",
    )
    assert found["CreateEndpointConfig"]["DataCaptureConfig"] == {
        "EnableCapture": True,
        "InitialSamplingPercentage": 20,
        "DestinationS3Uri": f"{STORE}/endpoints/{account.name}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    assert found["CreateEndpointConfig"]["KmsKeyId"] == "key-2"
    model = found["CreateModel"]
    assert model["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert model["EnableNetworkIsolation"] is True
    assert {"Key": "team", "Value": "reviews"} in model["Tags"]


def test_the_image_is_hugging_faces_for_the_machine(account: Account) -> None:
    cpu = sent(account, "image=auto")["CreateModel"]["PrimaryContainer"]["Image"]
    gpu = sent(account, "image=auto", "instance_type=ml.g5.xlarge")
    assert "/huggingface-pytorch-inference:" in cpu
    assert "-cpu-" in cpu
    assert "-gpu-" in gpu["CreateModel"]["PrimaryContainer"]["Image"]


@pytest.mark.parametrize(
    ("words", "price"),
    [
        ([], "$0.230 an hour, $5.52 a day, until it is deleted"),
        (["instance_count=2", "price_per_hour=1.5"], "$3.000 an hour, $72.00 a day"),
        (["max_instances=4"], "$0.230 to $0.920 an hour"),
        (["kind=async"], "$0.000 to $0.230 an hour"),
        (["kind=serverless", "memory_mb=1024"], "$0.00002 a second of work with 1024 MB"),
    ],
)
def test_the_price_is_shown_before(account: Account, words: list[str], price: str) -> None:
    said = account.deploy(*words, "dry_run=true")
    assert price in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("file", "schema"), [("endpoint.yaml", options.EndpointOptions), ("batch.yaml", BatchOptions)]
)
def test_every_knob_is_documented_in_its_file(file: str, schema: type) -> None:
    text = (CONF_DIR / file).read_text()
    assert set(yaml.safe_load(text)) == {item.name for item in fields(schema)}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["knd=async"], "unknown key 'knd'"),
        (["knd=async"], "Did you mean 'kind'?"),
        (["kind=servrless"], "allowed are instance, serverless, async. Did you mean"),
        (["instance_count=two"], "instance_count=two is not a whole number"),
        (["instance_count=0"], "instance_count=0 must lie between 1 and"),
        (["wait=maybe"], "wait=maybe is not true or false"),
        (["instance_type="], "instance_type= has no value"),
        (["instance_type=ml.m5.xlagre"], "Did you mean 'ml.m5.xlarge'? For another one set price"),
        (["kind=serverless", "instance_type=ml.m5.large"], "means nothing to kind=serverless"),
        (["kind=serverless", "data_capture=true"], "data_capture=true means nothing to"),
        (["kind=serverless", "max_instances=3"], "max_instances=3 means nothing to"),
        (["kind=serverless", "memory_mb=1000"], "allowed are 1024, 2048"),
        (["memory_mb=1024"], "memory_mb=1024 needs kind=serverless"),
        (["kind=async", "data_capture=true"], "captures nothing of kind=async"),
        (["capture_percent=5"], "capture_percent=5 needs data_capture=true"),
        (["min_instances=3", "max_instances=2"], "min_instances=3 is more than max_instances=2"),
        (["min_instances=2"], "min_instances=2 needs max_instances"),
        (["min_instances=0", "max_instances=2"], "min_instances=0 needs kind=async"),
        (["instance_count=5", "max_instances=2"], "instance_count=5 lies outside of"),
        (["subnets=[subnet-1]"], "a VPC needs both"),
        (["volume_kms_key=k", "instance_type=ml.g5.xlarge"], "ml.g5.xlarge has disks of its own"),
        (["rehearse=true", "dry_run=true"], "choose one"),
        (["rehearse=true", "wait=false"], "a rehearsal ends with its command"),
        (["name=an_endpoint"], "name=an_endpoint: allowed are 1 to 63 letters"),
        (["bucket=s3://b"], "bucket=s3://b is not the name of a bucket"),
    ],
)
def test_contradictions_are_refused(words: list[str], part: str) -> None:
    with pytest.raises(UserError) as error:
        options.read(words)
    said = str(error.value)
    assert part in said
    assert "\n" not in said + part
    assert "backend." not in said


@pytest.mark.usefixtures("unguarded")
@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["kind=serverless", "instance_type=ml.m5.large"], "means nothing to kind=serverless"),
        (["instance_type=ml.m5.xlagre"], "Did you mean 'ml.m5.xlarge'? For another one set price"),
        (["role=somebody"], "role=somebody is not the ARN of a role"),
        (["region=us-east-11"], "region=us-east-11: SageMaker knows no such region. Did you mean"),
        (["bucket=another-bucket"], "aws s3 mb s3://another-bucket"),
        (["volume_kms_key=a key"], "KmsKeyId=a key does not look like"),
    ],
)
def test_what_cannot_be_sent_is_one_line_and_leaves_nothing(
    account: Account, words: list[str], part: str
) -> None:
    said = account.deploy(*words)
    assert part in said.line
    assert "backend." not in said.line
    assert said.out == ""
    assert account.changes == []
    assert account.record() is None


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "allowed are deploy, predict, status, delete, list, serve"),
        (["deplyo", "x"], "Did you mean 'deploy'?"),
        (["deploy"], "deploy takes one run directory"),
        (["deploy", "no-such-run"], "no-such-run: no such directory"),
        (["delete"], "delete takes one run directory, or one endpoint's name"),
        (["predict"], "predict takes a run directory"),
        (["list", "x"], "list takes nothing else"),
        (["list", "regoin=x"], "Did you mean 'region'?"),
        (["status", "no/such/run"], "no/such/run: no such directory"),
        (["serve"], "serve takes one run directory"),
        (["serve", "{run}", "prot=1"], "Did you mean 'port'?"),
        (["serve", "{run}", "port=http"], "port=http is not a whole number"),
    ],
)
def test_wrong_words_are_one_line(trained: Path, words: list[str], part: str) -> None:
    said = call("launch.endpoint", *(word.replace("{run}", str(trained)) for word in words))
    assert part in said.line
    assert said.out == ""
