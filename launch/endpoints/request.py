"""What is sent to AWS, literally: the model, the configuration, and the endpoint."""

from launch.aws.limits import Request, check_request
from launch.endpoints import names
from launch.endpoints.options import EndpointOptions
from launch.hosting.account import Account
from launch.hosting.model import Model
from launch.hosting.names import RUN_TAG, as_tags


def build(options: EndpointOptions, model: Model, endpoint: str) -> dict[str, Request]:
    """Operations and their requests, in the order in which they are sent. Raises UserError for a
    request that AWS would refuse."""
    tags = {RUN_TAG: model.run.name, names.ENDPOINT_TAG: endpoint, **options.tags}
    if options.instance and options.instance.price is not None:
        # For whoever lists what is running.
        tags[names.PRICE_TAG] = f"{options.instance.price:g}"
    made = model.request()
    model_name = names.of_part(endpoint, made)
    config = _config(options, model.account, endpoint, model_name)
    config_name = names.of_part(endpoint, config)
    tagged = {"Tags": as_tags(tags)}
    requests = {
        "CreateModel": {"ModelName": model_name, **made, **tagged},
        "CreateEndpointConfig": {"EndpointConfigName": config_name, **config, **tagged},
        "CreateEndpoint": {"EndpointName": endpoint, "EndpointConfigName": config_name, **tagged},
    }
    for operation, request in requests.items():
        check_request(request, operation)
    return requests


def _config(options: EndpointOptions, account: Account, endpoint: str, model_name: str) -> Request:
    variant: Request = {"VariantName": names.VARIANT, "ModelName": model_name}
    if options.instance is None:
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": options.memory,
            "MaxConcurrency": options.max_concurrency or 5,
        }
    else:
        variant |= {
            "InstanceType": options.instance.name,
            "InitialInstanceCount": options.count,
            "InitialVariantWeight": 1.0,
            # A large archive is unpacked and packages are installed before it answers.
            "ContainerStartupHealthCheckTimeoutInSeconds": 900,
        }
    config: Request = {"ProductionVariants": [variant]}
    kms = {"KmsKeyId": options.output_kms_key} if options.output_kms_key else {}
    folder = account.store.folder("endpoints", endpoint)
    if options.kind == "async":
        config["AsyncInferenceConfig"] = {
            "OutputConfig": {
                "S3OutputPath": f"{folder}/output",
                "S3FailurePath": f"{folder}/failed",
                **kms,
            },
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
        }
    if options.data_capture:
        config["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": options.capture_percent or 100,
            "DestinationS3Uri": f"{folder}/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            **kms,
        }
    if options.volume_kms_key:
        config["KmsKeyId"] = options.volume_kms_key
    return config
