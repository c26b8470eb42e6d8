"""Transform jobs of the local AWS, carried out by the server that an endpoint would have."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from launch.aws.s3 import split_uri
from launch.rehearsal.endpoints import Endpoints
from launch.rehearsal.refused import Refused
from launch.rehearsal.resources import Kind, Request, Resource, ResourceStore
from launch.rehearsal.server import NotStarted, Running

if TYPE_CHECKING:
    from launch.rehearsal.aws import LocalAWS

_JOB = Kind("TransformJob", "transform-job", "transform job")
_OVER = ("Completed", "Failed", "Stopped")
_LOG_GROUP = "/aws/sagemaker/TransformJobs"
_FAILED = "AlgorithmError: See job logs for more information"


class Transforms:
    def __init__(self, aws: "LocalAWS", endpoints: Endpoints) -> None:
        self.aws, self.endpoints, self.jobs = aws, endpoints, ResourceStore(_JOB)
        endpoints.tagged.append(self.jobs)
        self._threads: list[threading.Thread] = []
        self.operations: dict[str, Callable[[Request, str], dict[str, Any]]] = {
            "CreateTransformJob": self._create,
            "DescribeTransformJob": self._describe,
            "StopTransformJob": self._stop,
            "ListTransformJobs": lambda r, at: self.jobs.list(r, at, "TransformJobSummaries"),
        }

    def close(self) -> None:
        """Ends every job."""
        for job in self.jobs.all():
            if job.status not in _OVER:
                job.status = "Stopping"
        for thread in self._threads:
            thread.join(30)

    def _create(self, request: Request, region: str) -> dict[str, Any]:
        model = self.endpoints.models.get(request.get("ModelName", ""), region)
        job = self.jobs.make(request, region)
        job.status = "InProgress"
        if self.endpoints.starter:
            self._threads.append(
                threading.Thread(target=self._run, args=(job, model, region), daemon=True)
            )
            self._threads[-1].start()
        return {"TransformJobArn": job.arn}

    def _describe(self, request: Request, region: str) -> dict[str, Any]:
        job = self.jobs.get(request.get("TransformJobName", ""), region)
        answer = self.jobs.describe(job)
        if job.status in _OVER:
            answer |= {"TransformStartTime": job.created, "TransformEndTime": job.modified}
        return answer

    def _stop(self, request: Request, region: str) -> dict[str, Any]:
        job = self.jobs.get(request.get("TransformJobName", ""), region)
        if job.status != "InProgress":
            raise Refused(
                "ValidationException",
                f"The request was rejected because the transform job is in status {job.status}.",
            )
        job.status = "Stopping" if self.endpoints.starter else "Stopped"
        return {}

    def _run(self, job: Resource, model: Resource, region: str) -> None:
        """What goes wrong in here is the job's failure."""
        end, reason = "Completed", None
        try:
            server = self.endpoints.start(model, region)
            try:
                self._transform(job, server, region)
            finally:
                server.close()
        except (_Failed, NotStarted) as error:
            end, reason = "Failed", _FAILED
            self.aws.write_log(_LOG_GROUP, f"{job.name}: {error}", region)
        except Exception as error:
            end, reason = "Failed", f"ClientError: {error}"
        job.reason = reason
        job.modified = time.time()
        job.status = "Stopped" if job.status == "Stopping" else end

    def _transform(self, job: Resource, server: Running, region: str) -> None:
        """Every object below the prefix: a request a line, an answer a line, under its name.out"""
        s3, request = self.aws.client("s3", region), job.request
        source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, prefix = split_uri(source)
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        if not found:
            raise ValueError(f"No S3 objects found under {source}")
        for key in (item["Key"] for item in found):
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            answers = list(self._answers(job, server, body))
            if job.status == "Stopping":
                return
            target, folder = split_uri(request["TransformOutput"]["S3OutputPath"])
            below = key[prefix.rfind("/") + 1 :]
            s3.put_object(
                Bucket=target,
                Key=f"{folder.rstrip('/')}/{below}.out",
                Body=b"".join(answer + b"\n" for answer in answers),
            )

    def _answers(self, job: Resource, server: Running, body: bytes) -> Iterator[bytes]:
        kind = job.request["TransformInput"].get("ContentType", "application/json")

        def ask(line: bytes) -> tuple[int, bytes]:
            return (0, b"") if job.status == "Stopping" else server.ask(line, kind)

        lines = [line for line in body.split(b"\n") if line]
        with ThreadPoolExecutor(job.request.get("MaxConcurrentTransforms") or 1) as pool:
            for status, answer in pool.map(ask, lines):
                if status == 0:
                    return
                if status != 200:
                    raise _Failed(f"{status}: {answer.decode('utf-8', 'replace')}")
                yield answer


class _Failed(Exception):
    """What the container said to a record."""
