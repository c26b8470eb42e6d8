"""The requests to an endpoint, which the local AWS takes as SageMaker's runtime."""

import json
import re
import uuid
from typing import Any

from werkzeug.wrappers import Request as HTTPRequest
from werkzeug.wrappers import Response

from launch.aws.s3 import split_uri
from launch.rehearsal.account import LocalAccount, Refused
from launch.rehearsal.endpoints import Endpoint, Endpoints
from launch.rehearsal.server import Server

_PATH = re.compile(r"/endpoints/([^/]+)/(async-)?invocations")
_JSON = "application/json"
_LARGEST = 6 * 1024 * 1024
_HEADER = "X-Amzn-SageMaker-"


def answer(endpoints: Endpoints, request: HTTPRequest, region: str) -> Response | None:
    """Answers a request to an endpoint. Returns None for any other request."""
    path = _PATH.fullmatch(request.path)
    if not path or "/sagemaker/" not in request.headers.get("Authorization", ""):
        return None
    try:
        endpoint, server = endpoints.serving(path[1], region)
        if path[2]:
            return _answer_later(endpoints.account, endpoint, server, request)
        return _answer_now(server, request)
    except Refused as error:
        return _error(400, "ValidationError", {"Message": str(error)})


def _answer_now(server: Server, request: HTTPRequest) -> Response:
    """Answers InvokeEndpoint, with AWS's own words around an error of the container."""
    body = request.get_data()
    if len(body) > _LARGEST:
        raise Refused(f"Body is {len(body)} bytes: at most {_LARGEST}")
    accept = request.headers.get("Accept") or _JSON
    status, content, kind = server.ask(body, request.content_type or _JSON, accept)
    if status == 200:
        return Response(content, content_type=kind)
    said, side = content.decode("utf-8", "replace"), "client" if status < 500 else "server"
    error = {
        "ErrorCode": f"{side.upper()}_ERROR_FROM_MODEL",
        "Message": f"Received {side} error ({status}) from primary with message"
        f' "{said}". See the logs of the endpoint for more information.',
        "OriginalMessage": said,
        "OriginalStatusCode": status,
    }
    return _error(424, "ModelError", error)


def _answer_later(
    account: LocalAccount, endpoint: Endpoint, server: Server, request: HTTPRequest
) -> Response:
    """Answers InvokeEndpointAsync: where in S3 the answer, or what went wrong, will lie."""
    if "AsyncInferenceConfig" not in endpoint.config:
        raise Refused(f"Endpoint {endpoint.name} is not an asynchronous endpoint")
    output = endpoint.config["AsyncInferenceConfig"]["OutputConfig"]
    name = f"{uuid.uuid4().hex}.out"
    done = f"{output['S3OutputPath'].rstrip('/')}/{name}"
    failed = f"{output.get('S3FailurePath', output['S3OutputPath']).rstrip('/')}/{name}"
    source = request.headers.get(f"{_HEADER}InputLocation", "")
    content_type, accept = (
        request.headers.get(f"{_HEADER}{name}", _JSON) for name in ("Content-Type", "Accept")
    )
    s3 = account.client("s3", endpoint.region)

    def work() -> None:
        bucket, key = split_uri(source)
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        status, content, _ = server.ask(body, content_type, accept)
        bucket, key = split_uri(done if status == 200 else failed)
        s3.put_object(Bucket=bucket, Key=key, Body=content)

    account.start(work)
    headers = {f"{_HEADER}OutputLocation": done, f"{_HEADER}FailureLocation": failed}
    return Response(json.dumps({"InferenceId": name}), 202, headers, content_type=_JSON)


def _error(status: int, code: str, content: dict[str, Any]) -> Response:
    headers = {"x-amzn-ErrorType": code}
    return Response(json.dumps(content), status, headers, content_type=_JSON)
