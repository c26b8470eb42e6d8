"""Transform jobs of the local AWS, carried out by the server that an endpoint would have."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from launch.aws.s3 import split_uri
from launch.rehearsal.account import LocalAccount
from launch.rehearsal.endpoints import Endpoints, Model
from launch.rehearsal.logs import LogStream
from launch.rehearsal.resources import Kind, Request, Resource, ResourceStore
from launch.rehearsal.server import NotStarted, Server


@dataclass
class TransformJob(Resource):
    kind = Kind("TransformJob", "transform-job", "transform job", "TransformJobSummaries")
    status: str | None = "InProgress"

    def describe(self) -> Request:
        answer = super().describe()
        if self.over:
            answer |= {"TransformStartTime": self.created, "TransformEndTime": self.modified}
        return answer


class TransformJobs:
    def __init__(self, account: LocalAccount, endpoints: Endpoints) -> None:
        self.account, self.endpoints = account, endpoints
        self.jobs = ResourceStore(TransformJob)

    def create(self, request: Request, region: str) -> Request:
        model = self.endpoints.models.named(request, region)
        job = self.jobs.make(request, region)
        if self.endpoints.starter:
            self.account.start(self._run, job, model)
        return {"TransformJobArn": job.arn}

    def stop(self, request: Request, region: str) -> Request:
        job = self.jobs.named(request, region)
        if job.status != "InProgress":
            raise job.not_stoppable()
        job.status = "Stopping" if self.endpoints.starter else "Stopped"
        return {}

    def _run(self, job: TransformJob, model: Model) -> None:
        """Carries a job out. Any error in here is the job's failure."""
        end = "Completed"
        try:
            with contextlib.closing(self.endpoints.start(model)) as server:
                self._transform(job, server)
        except (_Failed, NotStarted) as error:
            end, job.reason = "Failed", "AlgorithmError: See job logs for more information"
            log = LogStream(self.account, job.region, "/aws/sagemaker/TransformJobs")
            log.write(f"{job.name}: {error}".splitlines())
        except Exception as error:
            end, job.reason = "Failed", f"ClientError: {error}"
        job.modified = time.time()
        job.status = "Stopped" if job.status == "Stopping" else end

    def _transform(self, job: TransformJob, server: Server) -> None:
        """Asks the server each line of each object below the prefix. The answers, a line each, go
        to an object of the same name with .out behind it."""
        s3, request = self.account.client("s3", job.region), job.request
        source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, prefix = split_uri(source)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [item for page in pages for item in page.get("Contents", [])]
        if not found:
            raise ValueError(f"No S3 objects found under {source}")
        content_type = request["TransformInput"].get("ContentType", "application/json")
        accept = request["TransformOutput"].get("Accept", "application/json")

        def stopping() -> bool:
            return job.status == "Stopping" or self.account.closed.is_set()

        def ask(line: bytes) -> bytes:
            if stopping():
                return b""
            answer = server.ask(line, content_type, accept)
            if answer.status != 200:
                raise _Failed(f"{answer.status}: {answer.body.decode('utf-8', 'replace')}")
            return answer.body

        for key in (item["Key"] for item in found):
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            with ThreadPoolExecutor(request.get("MaxConcurrentTransforms") or 1) as pool:
                answers = list(pool.map(ask, filter(None, body.split(b"\n"))))
            if stopping():
                return
            target, folder = split_uri(request["TransformOutput"]["S3OutputPath"])
            name = f"{folder.rstrip('/')}/{key[prefix.rfind('/') + 1 :]}.out"
            content = b"".join(answer + b"\n" for answer in answers)
            s3.put_object(Bucket=target, Key=name, Body=content)


class _Failed(Exception):
    """The container answered a line with an error."""
