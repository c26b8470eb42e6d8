"""Models and endpoints of the local AWS. What they answer comes from a real server."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

from launch.aws.s3 import split_uri
from launch.rehearsal.account import LocalAccount, Refused
from launch.rehearsal.logs import LogStream
from launch.rehearsal.resources import Kind, Request, Resource, ResourceStore
from launch.rehearsal.server import NotStarted, Server

_FAILED = (
    "The primary container for production variant AllTraffic did not pass the ping health check."
    " Please check CloudWatch logs for this endpoint."
)


class Model(Resource):
    kind = Kind("Model", "model", "model", "Models")


class EndpointConfig(Resource):
    kind = Kind("EndpointConfig", "endpoint-config", "endpoint configuration", "EndpointConfigs")


@dataclass
class Endpoint(Resource):
    kind = Kind("Endpoint", "endpoint", "endpoint", "Endpoints")
    status: str | None = "Creating"
    config: Request = field(default_factory=dict)
    """What its configuration was made with."""
    server: Server | None = None

    @property
    def variant(self) -> Request:
        """Its only production variant."""
        return dict(self.config["ProductionVariants"][0])

    def check_settled(self, operation: str) -> None:
        """Refuses an operation while an earlier one still goes on."""
        if self.status in ("Creating", "Updating"):
            raise Refused(f'Cannot {operation} in-progress endpoint "{self.arn}".')

    def describe(self) -> Request:
        variant = {"VariantName": self.variant["VariantName"]}
        if "ServerlessConfig" in self.variant:
            variant["CurrentServerlessConfig"] = self.variant["ServerlessConfig"]
        else:
            count = self.variant["InitialInstanceCount"]
            variant |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        answer = super().describe() | {"ProductionVariants": [variant]}
        if "AsyncInferenceConfig" in self.config:
            answer["AsyncInferenceConfig"] = self.config["AsyncInferenceConfig"]
        return answer


class Endpoints:
    """`starter` starts the server of a model.tar.gz; while it is None nothing answers, and an
    endpoint is in service at once."""

    def __init__(self, account: LocalAccount) -> None:
        self.account = account
        self.starter: Callable[[Path], Server] | None = Server
        self.models, self.configs = ResourceStore(Model), ResourceStore(EndpointConfig)
        self.endpoints = ResourceStore(Endpoint)
        self._archives = tempfile.TemporaryDirectory(
            prefix="imdb_cls-endpoints-", ignore_cleanup_errors=True
        )

    def close(self) -> None:
        """Ends every server. None may be starting any more."""
        for endpoint in self.endpoints.all():
            if endpoint.server:
                endpoint.server.close()
        self._archives.cleanup()

    def start(self, model: Model) -> Server:
        """Starts the server of a model, from its archive in S3. Raises NotStarted if there is no
        archive, or the server ended."""
        assert self.starter
        bucket, key = split_uri(model.request["PrimaryContainer"]["ModelDataUrl"])
        archive = Path(tempfile.mkdtemp(dir=self._archives.name)) / "model.tar.gz"
        try:
            self.account.client("s3", model.region).download_file(bucket, key, str(archive))
        except ClientError:
            raise NotStarted(f"Could not find model data at s3://{bucket}/{key}.") from None
        server = self.starter(archive)
        archive.unlink()  # the server has unpacked it
        return server

    def serving(self, name: str, region: str) -> tuple[Endpoint, Server]:
        try:
            endpoint = self.endpoints.get(name, region)
        except Refused:
            raise Refused(f"Endpoint {name} not found.") from None
        if endpoint.server is None:
            raise Refused(f"Endpoint {name} is {endpoint.status}.")
        return endpoint, endpoint.server

    def create_model(self, request: Request, region: str) -> Request:
        self.account.check_role(request.get("ExecutionRoleArn", ""), region)
        return {"ModelArn": self.models.make(request, region).arn}

    def create_config(self, request: Request, region: str) -> Request:
        for variant in request.get("ProductionVariants", []):
            self.models.named(variant, region)
        return {"EndpointConfigArn": self.configs.make(request, region).arn}

    def create(self, request: Request, region: str) -> Request:
        config = self.configs.named(request, region)
        endpoint = self.endpoints.make(request, region)
        endpoint.config = config.request
        self._move(endpoint, config)
        return {"EndpointArn": endpoint.arn}

    def update(self, request: Request, region: str) -> Request:
        endpoint = self.endpoints.named(request, region)
        config = self.configs.named(request, region)
        endpoint.check_settled("update")
        old, new = endpoint.variant, config.request["ProductionVariants"][0]
        if "ServerlessConfig" in new and "ServerlessConfig" not in old:
            raise Refused(
                "Updating an instance based endpoint to a serverless one is not supported."
            )
        if old.get("InstanceType") != new.get("InstanceType") and self._is_scaled(endpoint):
            raise Refused(
                'The variant(s) "[AllTraffic]" must be deregistered as scalable targets with'
                " AutoScaling before they can be removed or have their instance type updated."
            )
        endpoint.status, endpoint.modified = "Updating", time.time()
        self._move(endpoint, config)
        return {"EndpointArn": endpoint.arn}

    def delete(self, request: Request, region: str) -> Request:
        endpoint = self.endpoints.named(request, region)
        endpoint.check_settled("delete")
        if endpoint.server:
            endpoint.server.close()
        return self.endpoints.delete(request, region)

    def _is_scaled(self, endpoint: Endpoint) -> bool:
        client = self.account.client("application-autoscaling", endpoint.region)
        ours = [f"endpoint/{endpoint.name}/variant/AllTraffic"]
        found = client.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=ours)
        return bool(found["ScalableTargets"])

    def _move(self, endpoint: Endpoint, config: EndpointConfig) -> None:
        """Brings an endpoint to a configuration: at once if no server has to be started."""
        if self.starter:
            self.account.start(self._bring_up, endpoint, config)
        else:
            self._bring_up(endpoint, config)

    def _bring_up(self, endpoint: Endpoint, config: EndpointConfig) -> None:
        before, server, variant = endpoint.server, None, config.request["ProductionVariants"][0]
        try:
            if self.starter:
                server = self.start(self.models.named(variant, endpoint.region))
        except (NotStarted, Refused) as error:
            group = f"/aws/sagemaker/Endpoints/{endpoint.name}"
            LogStream(self.account, endpoint.region, group).write(str(error).splitlines())
            endpoint.reason = str(error) if "Could not find" in str(error) else _FAILED
            # An update that fails leaves what was there.
            endpoint.status = "Failed" if endpoint.status == "Creating" else "InService"
            return
        endpoint.request["EndpointConfigName"] = config.name
        endpoint.config, endpoint.server = config.request, server
        endpoint.status, endpoint.reason, endpoint.modified = "InService", None, time.time()
        if before:
            before.close()
