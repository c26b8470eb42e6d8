"""Asks an endpoint for the labels of texts."""

import contextlib
import json
import sys
import time
import uuid
from collections.abc import Iterable
from functools import partial
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from imdb_cls import outputs
from imdb_cls.errors import UserError, one_line
from imdb_cls.inference.contract import JSON
from launch.aws.client import AWS, explained, unless_gone
from launch.aws.s3 import split_uri
from launch.endpoints import describe
from launch.endpoints.record import Target
from launch.hosting import labelling

# Texts and bytes of one request. SageMaker waits a minute for an answer and takes 6 MB (serverless
# 4), so that many long reviews are safe on a small CPU. A request in a queue has an hour; the
# server takes 1,024 texts.
_MOST = {"instance": (64, 3_000_000), "serverless": (32, 3_000_000), "async": (1024, 5_000_000)}
# A queue whose last machine was taken away needs minutes for the first answer.
_PATIENCE_S, _POLL_S, _QUIET_S = 3600.0, 1.0, 15.0


def label(aws: AWS, target: Target, texts: Iterable[str], output: str | None) -> None:
    """Labels texts, and writes them as imdb_cls.predict does. Raises UserError if the endpoint is
    not in service, refuses a text, or fails."""
    outputs.check_output(output)
    texts = iter(texts)
    first = next(texts)  # a wrong file is an error before anything is asked
    there = describe.existing(aws, target)
    # While an endpoint is updated, the old model goes on answering.
    if there["EndpointStatus"] not in ("InService", "Updating", "SystemUpdating"):
        raise UserError(
            f"{target.name} is not in service ({there['EndpointStatus']}):"
            f" python -m launch.endpoint status {target.word}"
        )
    queue = there.get("AsyncInferenceConfig", {}).get("OutputConfig")
    ask = partial(_ask_queue, queue) if queue else _ask
    with outputs.opened(output) as write:
        for chunk in labelling.chunks(chain([first], texts), *_MOST[describe.kind(there)]):
            body = labelling.request(chunk)
            with explained(f"asking {target.name}"):
                answer = ask(aws, target.name, body)
            write(labelling.predictions(answer, chunk, target.name))


def _ask(aws: AWS, name: str, body: bytes) -> bytes:
    runtime = aws.client("sagemaker-runtime")
    try:
        answer = runtime.invoke_endpoint(
            EndpointName=name, ContentType=JSON, Accept=JSON, Body=body
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ModelError":
            raise
        # SageMaker's own message wraps what the container said.
        said = error.response.get("OriginalMessage") or error.response["Error"].get("Message")
        raise UserError(f"{name}: {_message(said or '')}") from None
    return bytes(answer["Body"].read())


def _ask_queue(queue: dict[str, Any], aws: AWS, name: str, body: bytes) -> bytes:
    """Asks an asynchronous endpoint: texts and answers go by way of S3, and are deleted there."""
    s3, runtime = aws.client("s3"), aws.client("sagemaker-runtime")
    bucket, output = split_uri(queue["S3OutputPath"])
    key = f"{output.rpartition('/')[0]}/input/{uuid.uuid4().hex}.json"
    kms = queue.get("KmsKeyId")
    extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms} if kms else {}
    used = [f"s3://{bucket}/{key}"]
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, **extra)
        asked = runtime.invoke_endpoint_async(
            EndpointName=name, ContentType=JSON, Accept=JSON, InputLocation=used[0]
        )
        used += [asked["OutputLocation"], asked["FailureLocation"]]
        return _answer(aws, name, asked["OutputLocation"], asked["FailureLocation"])
    finally:
        for uri in used:
            bucket, key = split_uri(uri)
            with contextlib.suppress(ClientError):
                s3.delete_object(Bucket=bucket, Key=key)


def _answer(aws: AWS, name: str, output: str, failure: str) -> bytes:
    """Waits for one of the two objects that the container's answer, or its error, becomes."""
    begun, is_told = time.monotonic(), False
    while (waited := time.monotonic() - begun) < _PATIENCE_S:
        if (answer := _object(aws, output)) is not None:
            return answer
        if (said := _object(aws, failure)) is not None:
            raise UserError(f"{name}: {_message(said.decode('utf-8', 'replace'))}")
        if waited > _QUIET_S and not is_told:
            is_told = True
            print(
                f"{name}: the request waits; if no machine is left, one comes in minutes",
                file=sys.stderr,
            )
        time.sleep(_POLL_S)
    raise UserError(f"{name} has not answered for an hour")


def _object(aws: AWS, uri: str) -> bytes | None:
    """The content of an object in S3; None: it is not there yet."""
    bucket, key = split_uri(uri)
    found = unless_gone(aws.client("s3").get_object, Bucket=bucket, Key=key)
    return bytes(found["Body"].read()) if found else None


def _message(text: str) -> str:
    """The line in an error's body, or all of the body."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = str(json.loads(text)["error"])
    return one_line(Exception(text or "it failed without a word"))
