"""The local AWS: moto's services, and a SageMaker of our own that does what it is asked for."""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request as HTTPRequest
from werkzeug.wrappers import Response

from launch.rehearsal import invocations
from launch.rehearsal.account import LocalAccount, Refused
from launch.rehearsal.endpoints import Endpoints
from launch.rehearsal.resources import Operation, Request, ResourceStore
from launch.rehearsal.training_jobs import TrainingJobs
from launch.rehearsal.transform_jobs import TransformJobs


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Says nothing: the terminal is the job's."""


class LocalAWS(LocalAccount):
    """A server on loopback, as long as its context lasts."""

    def __init__(self, port: int = 0) -> None:
        self._server = make_server("127.0.0.1", port, self, threaded=True, request_handler=_Silent)
        super().__init__(f"http://127.0.0.1:{self._server.server_port}")
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.training, self.endpoints = TrainingJobs(self), Endpoints(self)
        self.transforms = TransformJobs(self, self.endpoints)
        models, configs = self.endpoints.models, self.endpoints.configs
        self._stores: list[ResourceStore[Any]] = [self.training.jobs, self.transforms.jobs]
        self._stores += [models, configs, self.endpoints.endpoints]
        self._operations: dict[str, Operation] = {
            "CreateTrainingJob": self.training.create,
            "StopTrainingJob": self.training.stop,
            "Search": self.training.search,
            "CreateModel": self.endpoints.create_model,
            "DeleteModel": models.delete,
            "CreateEndpointConfig": self.endpoints.create_config,
            "DeleteEndpointConfig": configs.delete,
            "CreateEndpoint": self.endpoints.create,
            "UpdateEndpoint": self.endpoints.update,
            "DeleteEndpoint": self.endpoints.delete,
            "CreateTransformJob": self.transforms.create,
            "StopTransformJob": self.transforms.stop,
            **dict.fromkeys(("AddTags", "ListTags"), self._tags),
        }
        for store in self._stores:
            self._operations |= store.operations
        self._lock = threading.Lock()

    def __enter__(self) -> "LocalAWS":
        # moto's state is the process's: the second rehearsal of a sweep would find the first's.
        moto_api_backend.reset()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        self.endpoints.close()
        self._server.shutdown()
        self._server.server_close()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = HTTPRequest(environ)
        service, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
        # AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/…
        region = request.headers.get("Authorization", "///").split("/")[2] or "us-east-1"
        if service != "SageMaker" or operation not in self._operations:
            answer = invocations.answer(self.endpoints, request, region) or self._moto
            return answer(environ, start_response)
        try:
            with self._lock:
                content = self._operations[operation](json.loads(request.get_data()), region)
            status = 200
        except Refused as error:
            content, status = {"__type": error.code, "message": str(error)}, 400
        kind = "application/x-amz-json-1.1"
        return Response(json.dumps(content), status, content_type=kind)(environ, start_response)

    def _tags(self, request: Request, region: str) -> Request:
        """Answers AddTags and ListTags: adds what tags the request has, and gives all."""
        for resource in (resource for store in self._stores for resource in store.all()):
            if resource.arn == request["ResourceArn"]:
                tags = [*resource.request.get("Tags", []), *request.get("Tags", [])]
                resource.request["Tags"] = list({tag["Key"]: tag for tag in tags}.values())
                return {"Tags": resource.request["Tags"]}
        raise Refused(f"Could not find {request['ResourceArn'].rpartition(':')[2]}")
