"""The requests to an endpoint, as the local AWS takes them: the runtime's part of SageMaker."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from launch.rehearsal.endpoints import Endpoints, ModelError
from launch.rehearsal.refused import Refused

_PATH = re.compile(r"/endpoints/([^/]+)/(async-)?invocations")
_JSON = "application/json"

Start = Callable[..., Any]


class Invocations:
    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints

    def takes(self, environ: dict[str, Any]) -> bool:
        signed = "/sagemaker/" in environ.get("HTTP_AUTHORIZATION", "")
        return signed and bool(_PATH.fullmatch(environ.get("PATH_INFO", "")))

    def __call__(self, environ: dict[str, Any], start: Start, region: str) -> Iterable[bytes]:
        found = _PATH.fullmatch(environ["PATH_INFO"])
        assert found
        name, later = found.groups()
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            if later:
                return self._later(name, environ, start, region)
            content = self.endpoints.invoke(name, body, environ.get("CONTENT_TYPE", _JSON), region)
            start("200 OK", [("Content-Type", _JSON), ("Content-Length", str(len(content)))])
            return [content]
        except Refused as error:
            return _refuse(start, "400 Bad Request", error.code, {"Message": str(error)})
        except ModelError as error:
            # AWS's own words around the container's.
            what = "client" if error.status < 500 else "server"
            said = {
                "ErrorCode": f"{what.upper()}_ERROR_FROM_MODEL",
                "Message": f"Received {what} error ({error.status}) from primary with message"
                f' "{error}". See the logs of the endpoint for more information.',
                "OriginalMessage": str(error),
                "OriginalStatusCode": error.status,
            }
            return _refuse(start, "424 Failed Dependency", "ModelError", said)

    def _later(
        self, name: str, environ: dict[str, Any], start: Start, region: str
    ) -> Iterable[bytes]:
        header = "HTTP_X_AMZN_SAGEMAKER_"
        kind = environ.get(f"{header}CONTENT_TYPE", _JSON)
        done, failed = self.endpoints.invoke_later(
            name, environ.get(f"{header}INPUTLOCATION", ""), kind, region
        )
        content = json.dumps({"InferenceId": done.rpartition("/")[2]}).encode()
        start(
            "202 Accepted",
            [
                ("Content-Type", _JSON),
                ("Content-Length", str(len(content))),
                ("X-Amzn-SageMaker-OutputLocation", done),
                ("X-Amzn-SageMaker-FailureLocation", failed),
            ],
        )
        return [content]


def _refuse(start: Start, status: str, code: str, said: dict[str, Any]) -> Iterable[bytes]:
    content = json.dumps(said).encode()
    start(
        status,
        [
            ("Content-Type", _JSON),
            ("Content-Length", str(len(content))),
            ("x-amzn-ErrorType", code),
        ],
    )
    return [content]
