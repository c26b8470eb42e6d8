"""Models and endpoints of the local AWS. What they answer comes from a real server."""

import contextlib
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from launch.aws.s3 import split_uri
from launch.rehearsal.refused import Refused
from launch.rehearsal.resources import Kind, Request, Resource, ResourceStore, with_arn
from launch.rehearsal.server import NotStarted, Running, Server

if TYPE_CHECKING:
    from launch.rehearsal.aws import LocalAWS

_MODEL = Kind("Model", "model", "model")
_CONFIG = Kind("EndpointConfig", "endpoint-config", "endpoint configuration")
_ENDPOINT = Kind("Endpoint", "endpoint", "endpoint")
_MOVING = ("Creating", "Updating", "Deleting")
_LARGEST = 6 * 1024 * 1024
_FAILED = (
    "The primary container for production variant AllTraffic did not pass the ping health check."
    " Please check CloudWatch logs for this endpoint."
)

Starter = Callable[[Path], Running]


class ModelError(Exception):
    """The container answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Endpoints:
    """`starter` brings up what answers for a model.tar.gz; None: nothing does, and an endpoint is
    in service at once."""

    def __init__(self, aws: "LocalAWS") -> None:
        self.aws = aws
        self.starter: Starter | None = Server
        self.models, self.configs = ResourceStore(_MODEL), ResourceStore(_CONFIG)
        self.endpoints = ResourceStore(_ENDPOINT)
        self.tagged = [self.models, self.configs, self.endpoints]
        self._servers: dict[str, Running] = {}
        """By the ARN of the endpoint."""
        self._threads: list[threading.Thread] = []
        self._directory: Path | None = None
        """Where the servers have their files."""
        self.operations: dict[str, Callable[[Request, str], dict[str, Any]]] = {
            "CreateModel": self._create_model,
            "DescribeModel": lambda r, at: self._describe(self.models, r, at),
            "ListModels": lambda r, at: self.models.list(r, at, "Models"),
            "DeleteModel": lambda r, at: self._drop(self.models, r, at),
            "CreateEndpointConfig": self._create_config,
            "DescribeEndpointConfig": lambda r, at: self._describe(self.configs, r, at),
            "ListEndpointConfigs": lambda r, at: self.configs.list(r, at, "EndpointConfigs"),
            "DeleteEndpointConfig": lambda r, at: self._drop(self.configs, r, at),
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe_endpoint,
            "UpdateEndpoint": self._update,
            "DeleteEndpoint": self._delete,
            "ListEndpoints": lambda r, at: self.endpoints.list(r, at, "Endpoints"),
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
        }

    def close(self) -> None:
        """Ends every server, those that are being brought up too."""
        for thread in self._threads:
            thread.join(30)
        for server in list(self._servers.values()):
            server.close()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    def invoke(self, name: str, body: bytes, content_type: str, region: str) -> bytes:
        """InvokeEndpoint's answer."""
        if len(body) > _LARGEST:
            raise Refused("ValidationError", f"Body is {len(body)} bytes: at most {_LARGEST}")
        status, answer = self._server(name, region).ask(body, content_type)
        if status != 200:
            raise ModelError(status, answer.decode("utf-8", "replace"))
        return answer

    def invoke_later(
        self, name: str, place: str, content_type: str, region: str
    ) -> tuple[str, str]:
        """InvokeEndpointAsync: where in S3 the answer, or what went wrong, will lie."""
        server = self._server(name, region)
        described = self._describe_endpoint({"EndpointName": name}, region)
        if "AsyncInferenceConfig" not in described:
            raise Refused("ValidationError", f"Endpoint {name} is not an asynchronous endpoint")
        output, token = described["AsyncInferenceConfig"]["OutputConfig"], uuid.uuid4().hex
        done = f"{output['S3OutputPath'].rstrip('/')}/{token}.out"
        failed = f"{output.get('S3FailurePath', output['S3OutputPath']).rstrip('/')}/{token}.out"
        s3 = self.aws.client("s3", region)

        def answer() -> None:
            bucket, key = split_uri(place)
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            status, content = server.ask(body, content_type)
            bucket, key = split_uri(done if status == 200 else failed)
            s3.put_object(Bucket=bucket, Key=key, Body=content)

        threading.Thread(target=answer, daemon=True).start()
        return done, failed

    def start(self, model: Resource, region: str) -> Running:
        """Brings up what answers for a model, from its archive in S3.

        Raises:
            NotStarted: there is no archive, or its server ended.
        """
        assert self.starter
        bucket, key = split_uri(model.request["PrimaryContainer"]["ModelDataUrl"])
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="imdb_cls-endpoints-"))
        archive = Path(tempfile.mkdtemp(dir=self._directory)) / "model.tar.gz"
        try:
            self.aws.client("s3", region).download_file(bucket, key, str(archive))
        except ClientError:
            raise NotStarted(f"Could not find model data at s3://{bucket}/{key}.") from None
        server = self.starter(archive)
        archive.unlink()  # the server has unpacked it
        return server

    def _server(self, name: str, region: str) -> Running:
        try:
            found = self.endpoints.get(name, region)
        except Refused:
            raise Refused("ValidationError", f"Endpoint {name} not found.") from None
        if found.arn not in self._servers:
            raise Refused("ValidationError", f"Endpoint {name} is {found.status}.")
        return self._servers[found.arn]

    def _create_model(self, request: Request, region: str) -> dict[str, Any]:
        self.aws.check_role(request.get("ExecutionRoleArn", ""), region)
        return {"ModelArn": self.models.make(request, region).arn}

    def _create_config(self, request: Request, region: str) -> dict[str, Any]:
        for variant in request.get("ProductionVariants", []):
            self.models.get(variant.get("ModelName", ""), region)
        return {"EndpointConfigArn": self.configs.make(request, region).arn}

    def _create(self, request: Request, region: str) -> dict[str, Any]:
        self.configs.get(request.get("EndpointConfigName", ""), region)
        endpoint = self.endpoints.make(request, region)
        self._go(endpoint, "Creating", request["EndpointConfigName"], region)
        return {"EndpointArn": endpoint.arn}

    def _update(self, request: Request, region: str) -> dict[str, Any]:
        endpoint = self.endpoints.get(request.get("EndpointName", ""), region)
        wanted = self.configs.get(request.get("EndpointConfigName", ""), region)
        if endpoint.status in _MOVING:
            raise Refused(
                "ValidationException", f'Cannot update in-progress endpoint "{endpoint.arn}".'
            )
        try:
            old = self._variant(endpoint.request["EndpointConfigName"], region)
        except Refused:  # deleted, behind its endpoint's back
            old = {}
        new = self._variant(wanted.name, region)
        if "ServerlessConfig" in new and "ServerlessConfig" not in old:
            raise Refused(
                "ValidationException",
                "Updating an instance based endpoint to a serverless one is not supported.",
            )
        other = old.get("InstanceType") != new.get("InstanceType")
        if other and self._is_scaled(endpoint, region):
            raise Refused(
                "ValidationException",
                'The variant(s) "[AllTraffic]" must be deregistered as scalable targets with'
                " AutoScaling before they can be removed or have their instance type updated.",
            )
        self._go(endpoint, "Updating", wanted.name, region)
        return {"EndpointArn": endpoint.arn}

    def _variant(self, config: str, region: str) -> Request:
        return dict(self.configs.get(config, region).request["ProductionVariants"][0])

    def _is_scaled(self, endpoint: Resource, region: str) -> bool:
        found = self.aws.client("application-autoscaling", region).describe_scalable_targets(
            ServiceNamespace="sagemaker",
            ResourceIds=[f"endpoint/{endpoint.name}/variant/AllTraffic"],
        )
        return bool(found["ScalableTargets"])

    def _go(self, endpoint: Resource, status: str, config: str, region: str) -> None:
        """On the way to a configuration; there at once if nothing has to be brought up."""
        endpoint.status, endpoint.modified = status, time.time()
        if self.starter is None:
            self._arrive(endpoint, config, None)
        else:
            self._threads.append(
                threading.Thread(
                    target=self._bring_up, args=(endpoint, config, region), daemon=True
                )
            )
            self._threads[-1].start()

    def _bring_up(self, endpoint: Resource, config: str, region: str) -> None:
        try:
            variant = self.configs.get(config, region).request["ProductionVariants"][0]
            server = self.start(self.models.get(variant["ModelName"], region), region)
        except (NotStarted, Refused) as error:
            self.aws.write_log(f"/aws/sagemaker/Endpoints/{endpoint.name}", str(error), region)
            endpoint.reason = str(error) if "Could not find" in str(error) else _FAILED
            # An update that fails leaves what was there.
            endpoint.status = "Failed" if endpoint.status == "Creating" else "InService"
            return
        self._arrive(endpoint, config, server)

    def _arrive(self, endpoint: Resource, config: str, server: Running | None) -> None:
        before = self._servers.pop(endpoint.arn, None)
        if server:
            self._servers[endpoint.arn] = server
        endpoint.request = {**endpoint.request, "EndpointConfigName": config}
        endpoint.status, endpoint.reason, endpoint.modified = "InService", None, time.time()
        if before:
            before.close()

    def _delete(self, request: Request, region: str) -> dict[str, Any]:
        endpoint = self.endpoints.get(request.get("EndpointName", ""), region)
        if endpoint.status in _MOVING:
            raise Refused(
                "ValidationException", f'Cannot delete in-progress endpoint "{endpoint.arn}".'
            )
        self.endpoints.drop(endpoint.name, region)
        if server := self._servers.pop(endpoint.arn, None):
            server.close()
        return {}

    def _describe_endpoint(self, request: Request, region: str) -> dict[str, Any]:
        endpoint = self.endpoints.get(request.get("EndpointName", ""), region)
        answer = self.endpoints.describe(endpoint)
        with contextlib.suppress(Refused):  # deleted, behind its endpoint's back
            config = self.configs.get(endpoint.request["EndpointConfigName"], region).request
            variant = config["ProductionVariants"][0]
            now: dict[str, Any] = {"VariantName": variant["VariantName"]}
            if "ServerlessConfig" in variant:
                now["CurrentServerlessConfig"] = variant["ServerlessConfig"]
            else:
                count = variant["InitialInstanceCount"]
                now |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
            answer["ProductionVariants"] = [now]
            if "AsyncInferenceConfig" in config:
                answer["AsyncInferenceConfig"] = config["AsyncInferenceConfig"]
        return answer

    def _describe(self, store: ResourceStore, request: Request, region: str) -> dict[str, Any]:
        return store.describe(store.get(request.get(store.kind.key, ""), region))

    def _drop(self, store: ResourceStore, request: Request, region: str) -> dict[str, Any]:
        store.drop(request.get(store.kind.key, ""), region)
        return {}

    def _add_tags(self, request: Request, region: str) -> dict[str, Any]:
        found = with_arn(self.tagged, request["ResourceArn"])
        kept = {tag["Key"]: tag["Value"] for tag in found.request.get("Tags", [])}
        kept |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        found.request["Tags"] = [{"Key": key, "Value": value} for key, value in kept.items()]
        return {"Tags": found.request["Tags"]}

    def _list_tags(self, request: Request, region: str) -> dict[str, Any]:
        return {"Tags": with_arn(self.tagged, request["ResourceArn"]).request.get("Tags", [])}
