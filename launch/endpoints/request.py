"""What is sent to AWS, literally: the model, its endpoint's configuration, the endpoint."""

from dataclasses import dataclass
from typing import Any

from imdb_cls.runs.run import Run
from launch.aws.instances import Instance
from launch.aws.limits import check
from launch.endpoints import names, scaling
from launch.endpoints.names import VARIANT, Request, tags
from launch.endpoints.options import Options
from launch.hosting.account import Account
from launch.hosting.model import model


@dataclass(frozen=True)
class Requests:
    model: Request
    config: Request
    endpoint: Request
    scaling: list[scaling.Step]

    def as_json(self) -> list[dict[str, Any]]:
        """In the order in which they are sent."""
        sent = [
            ("CreateModel", self.model),
            ("CreateEndpointConfig", self.config),
            ("CreateEndpoint", self.endpoint),
            *((step.operation, step.request) for step in self.scaling),
        ]
        return [{"operation": operation, "request": request} for operation, request in sent]


def build(
    options: Options,
    run: Run,
    endpoint: str,
    account: Account,
    image: str,
    archive: str,
    price: float | None,
) -> Requests:
    """
    Args:
        archive: where the model.tar.gz will lie.
        price: USD an hour of one instance, for whoever lists what is running.

    Raises:
        UserError: AWS would refuse it.
    """
    ours = {names.RUN_TAG: run.name, names.ENDPOINT_TAG: endpoint, **options.tags}
    if price is not None:
        ours[names.PRICE_TAG] = f"{price:g}"
    marks = {"Tags": tags(**ours)}
    made = model(options, account, image, archive)
    model_name = names.of_part(endpoint, made)
    config = _config(options, account, endpoint, model_name)
    config_name = names.of_part(endpoint, config)
    requests = Requests(
        model={"ModelName": model_name, **made, **marks},
        config={"EndpointConfigName": config_name, **config, **marks},
        endpoint={"EndpointName": endpoint, "EndpointConfigName": config_name, **marks},
        scaling=scaling.steps(options, endpoint),
    )
    check(requests.model, "CreateModel")
    check(requests.config, "CreateEndpointConfig")
    check(requests.endpoint, "CreateEndpoint")
    return requests


def _config(options: Options, account: Account, endpoint: str, model_name: str) -> Request:
    variant: Request = {"VariantName": VARIANT, "ModelName": model_name}
    if options.instance is None:
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": options.memory_mb or 4096,
            "MaxConcurrency": options.max_concurrency or 5,
        }
    else:
        variant |= _machines(options.instance, options.count)
    kms = {"KmsKeyId": options.output_kms_key} if options.output_kms_key else {}
    folder = f"endpoints/{endpoint}"
    config: Request = {"ProductionVariants": [variant]}
    if options.kind == "async":
        config["AsyncInferenceConfig"] = {
            "OutputConfig": {
                "S3OutputPath": account.store.folder(folder, "output"),
                "S3FailurePath": account.store.folder(folder, "failed"),
                **kms,
            },
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
        }
    if options.data_capture:
        config["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": options.capture_percent or 100,
            "DestinationS3Uri": account.store.folder(folder, "captured"),
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            **kms,
        }
    if options.volume_kms_key:
        config["KmsKeyId"] = options.volume_kms_key
    return config


def _machines(instance: Instance, count: int) -> Request:
    return {
        "InstanceType": instance.name,
        "InitialInstanceCount": count,
        "InitialVariantWeight": 1.0,
        # A large archive, and the packages that the container installs before it answers.
        "ContainerStartupHealthCheckTimeoutInSeconds": 900,
    }
