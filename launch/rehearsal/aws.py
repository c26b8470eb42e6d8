"""A local AWS: moto for S3, IAM, STS, logs, metrics, secrets and autoscaling; training jobs,
models, endpoints and transform jobs of our own, since moto's are over at once and answer nothing.

python -m launch.rehearsal keeps one running, for other programs.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from imdb_cls.errors import UserError
from launch.aws.limits import check
from launch.rehearsal.endpoints import Endpoints
from launch.rehearsal.invocations import Invocations
from launch.rehearsal.job import TrainingJob
from launch.rehearsal.refused import Refused
from launch.rehearsal.transforms import Transforms

_ACCOUNT = "123456789012"


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Says nothing: the terminal is the job's."""


class LocalAWS:
    """A server on loopback. `runner` carries a training job out, in a thread of its own; `closing`
    ends what it still has running. `endpoints.starter` brings up what answers for a model."""

    def __init__(self, port: int = 0) -> None:
        self.jobs: dict[str, TrainingJob] = {}
        self.runner: Callable[[TrainingJob], None] | None = None
        self.closing: Callable[[], None] | None = None
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.endpoints = Endpoints(self)
        self.transforms = Transforms(self, self.endpoints)
        self._invocations = Invocations(self.endpoints)
        self._operations = {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "StopTrainingJob": self._stop,
            "ListTrainingJobs": self._list,
            **self.endpoints.operations,
            **self.transforms.operations,
        }
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._server = make_server("127.0.0.1", port, self, threaded=True, request_handler=_Silent)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self, region: str) -> dict[str, str]:
        """Variables that lead every AWS program here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            # Not the user's: a profile may set anything.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            # A proxy of the user's does not lead to loopback.
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }

    def client(self, service: str, region: str) -> Any:
        session = boto3.Session("rehearsal", "rehearsal", region_name=region)
        return session.client(service, endpoint_url=self.url)

    def prepare(self, region: str, bucket: str, role: str) -> None:
        """An account that has a bucket and a role."""
        where = {} if region == "us-east-1" else {"LocationConstraint": region}
        self.client("s3", region).create_bucket(
            Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {})
        )
        self.client("iam", region).create_role(
            RoleName=role.split("/")[-1], AssumeRolePolicyDocument="{}"
        )

    def check_role(self, arn: str, region: str) -> None:
        """Refuses a role that the account does not have."""
        try:
            self.client("iam", region).get_role(RoleName=arn.split("/")[-1])
        except ClientError:
            raise Refused(
                "ValidationException",
                f"Could not assume role {arn}. Please ensure that the role exists"
                " and allows principal 'sagemaker.amazonaws.com' to assume the role.",
            ) from None

    def write_log(self, group: str, text: str, region: str) -> None:
        """CloudWatch's log of something, a line an event."""
        logs, stream = self.client("logs", region), "AllTraffic/rehearsal"
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        at = int(time.time() * 1000)
        events = [{"timestamp": at, "message": line or " "} for line in text.splitlines()]
        if events:
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def __enter__(self) -> "LocalAWS":
        # moto's state is the process's: of a sweep, the second rehearsal would find the first.
        moto_api_backend.reset()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for job in self.jobs.values():
            job.stop.set()
        if self.closing:
            self.closing()
        self.transforms.close()
        self.endpoints.close()
        for thread in self._threads:
            thread.join(30)
        self._server.shutdown()
        self._server.server_close()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        region = environ.get("HTTP_AUTHORIZATION", "///").split("/")[2] or "us-east-1"
        if self._invocations.takes(environ):
            return self._invocations(environ, start_response, region)
        if service != "SageMaker" or operation not in self._operations:
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            with self._lock:
                answer = self._operations[operation](json.loads(body), region)
            status = "200 OK"
        except Refused as error:
            answer, status = {"__type": error.code, "message": str(error)}, "400 Bad Request"
        content = json.dumps(answer).encode()
        start_response(
            status,
            [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(content)))],
        )
        return [content]

    def _create(self, request: dict[str, Any], region: str) -> dict[str, Any]:
        name = request.get("TrainingJobName", "")
        if name in self.jobs:
            raise Refused(
                "ResourceInUse", f"Training job names must be unique: {name} exists already."
            )
        try:
            check(request)
        except UserError as error:
            raise Refused("ValidationException", str(error)) from None
        self.check_role(request["RoleArn"], region)
        job = TrainingJob(request, f"arn:aws:sagemaker:{region}:{_ACCOUNT}:training-job/{name}")
        job.enter("Starting")
        self.jobs[name] = job
        if self.runner:
            self._threads.append(threading.Thread(target=self.runner, args=(job,), daemon=True))
            self._threads[-1].start()
        return {"TrainingJobArn": job.arn}

    def _describe(self, request: dict[str, Any], region: str) -> dict[str, Any]:
        return self._job(request).describe()

    def _stop(self, request: dict[str, Any], region: str) -> dict[str, Any]:
        job = self._job(request)
        if job.over:
            raise Refused(
                "ValidationException",
                "The request was rejected because the training job is in status " + job.phase,
            )
        job.stop.set()
        return {}

    def _list(self, request: dict[str, Any], region: str) -> dict[str, Any]:
        described = [
            job.describe()
            for job in self.jobs.values()
            if request.get("NameContains", "") in job.name
        ]
        described.sort(key=lambda job: -job["CreationTime"])
        keys = (
            "TrainingJobName",
            "TrainingJobArn",
            "CreationTime",
            "TrainingEndTime",
            "LastModifiedTime",
            "TrainingJobStatus",
            "SecondaryStatus",
        )
        summaries = [{key: job[key] for key in keys if key in job} for job in described]
        return {"TrainingJobSummaries": summaries[: request.get("MaxResults", 10)]}

    def _job(self, request: dict[str, Any]) -> TrainingJob:
        name = request.get("TrainingJobName", "")
        if name not in self.jobs:
            raise Refused("ValidationException", "Requested resource not found.")
        return self.jobs[name]
