"""What a deployment will be: decided, priced, shown, and its requests, to the letter."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from imdb_cls.runs.run import Run
from imdb_cls.terminal import show_plan
from launch.aws.limits import Request, check_request
from launch.endpoints import names, record
from launch.endpoints.options import EndpointOptions
from launch.hosting.account import Account
from launch.hosting.model import Model, pack
from launch.hosting.names import RUN_TAG, as_tags


@dataclass(frozen=True)
class EndpointPlan:
    endpoint: str
    options: EndpointOptions
    model: Model
    requests: dict[str, Request]

    @property
    def config(self) -> str:
        """The name of the endpoint's configuration."""
        return str(self.requests["CreateEndpointConfig"]["EndpointConfigName"])

    def show(self, console: Console) -> None:
        options, account = self.options, self.model.account
        there = {True: "in S3 already", False: "to upload", None: "S3 was not asked"}
        facts = {
            "endpoint": f"{self.endpoint} in {account.region}",
            "run": str(self.model.run.path),
            options.kind: self._capacity(),
            **self.model.facts(),
        }
        facts["model"] += f", {there[account.store.has(self.model.archive)]}"
        if options.data_capture:
            facts["captured"] = (
                f"{options.capture_percent or 100} % of requests and answers, below"
                f" {account.store.folder('endpoints', self.endpoint, 'captured')}"
            )
        facts |= {"price": options.price, **account.facts()}
        show_plan(console, facts, self._warnings())

    def _capacity(self) -> str:
        options, instance, bounds = self.options, self.options.instance, self.options.bounds
        if instance is None:
            return f"{options.memory} MB, {options.max_concurrency or 5} requests at once"
        gpu = f"{instance.count} x {instance.gpu}" if instance.gpu else "no GPU"
        scaled = f", scaled from {bounds[0]} to {bounds[1]}" if bounds else ""
        return f"{options.count} x {instance.name} ({gpu}){scaled}"

    def _warnings(self) -> list[str]:
        """What a user should know before paying."""
        found, options = [], self.options
        if not options.role:
            found.append("role is not set: a placeholder stands in the requests")
        if options.data_capture:
            found.append("data_capture=true keeps your users' texts in S3, until you delete them")
        if options.network_isolation and options.image == "auto":
            found.append(
                "network_isolation=true: the container cannot install onnxruntime, so it answers"
                " with torch, and slower"
            )
        if options.instance and options.instance.retiring:
            found.append(f"{options.instance.name}: AWS is retiring the family")
        return found


def plan_endpoint(run: Run, options: EndpointOptions, staging: Path) -> EndpointPlan:
    """Packs the model into the directory `staging`. Raises UserError for what a user can mend."""
    record.read(run)  # a damaged one is an error before anything is uploaded
    model = pack(run, options, staging, options.instance)
    endpoint = options.name or names.of_run(run)
    return EndpointPlan(endpoint, options, model, requests_of(options, model, endpoint))


def requests_of(options: EndpointOptions, model: Model, endpoint: str) -> dict[str, Request]:
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
