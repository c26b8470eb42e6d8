"""Asks an endpoint for the labels of texts: the request and answer of Hugging Face's container."""

import contextlib
import json
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from imdb_cls.errors import UserError, one_line
from imdb_cls.inference import contract
from imdb_cls.names import LABELS
from imdb_cls.outputs import Prediction, opened
from launch.aws.client import AWS, explained
from launch.aws.s3 import split_uri
from launch.endpoints import describe
from launch.endpoints.record import Target

# SageMaker gives an answer a minute, and takes 6 MB (serverless 4): so many long reviews are safe
# on a small CPU. A queue has an hour, and the server takes 1,024 texts.
_AT_ONCE = {"instance": (64, 3_000_000), "serverless": (32, 3_000_000), "async": (1024, 5_000_000)}
_JSON = "application/json"
# A queue whose last machine was taken away needs minutes for the first answer.
_PATIENCE = 3600.0
_LOOK_S, _QUIET = 1.0, 15.0


class Endpoint:
    """One that is in service.

    Raises:
        UserError: there is none of that name, or it is not in service.
    """

    def __init__(self, aws: AWS, name: str, word: str) -> None:
        there = describe.endpoint(aws, name)
        if there is None:
            raise UserError(
                f"{name}: no such endpoint in {aws.region}: python -m launch.endpoint deploy {word}"
            )
        # While it is updated, the old model goes on answering.
        if there["EndpointStatus"] not in ("InService", "Updating", "SystemUpdating"):
            raise UserError(
                f"{name} is not in service ({there['EndpointStatus']}):"
                f" python -m launch.endpoint status {word}"
            )
        self.aws, self.name, self.kind = aws, name, describe.kind(there)
        self._queue: dict[str, Any] = there.get("AsyncInferenceConfig", {}).get("OutputConfig", {})

    def label(self, texts: Iterable[str]) -> Iterator[list[Prediction]]:
        """The predictions of texts in their order, a request at a time.

        Raises:
            UserError: the endpoint refuses a text, or fails.
        """
        for chunk in requests(texts, *_AT_ONCE[self.kind]):
            body = contract.encode({"inputs": chunk})
            ask = self._ask_queue if self.kind == "async" else self._ask
            yield answers(ask(body), chunk, self.name)

    def _ask(self, body: bytes) -> bytes:
        runtime = self.aws.client("sagemaker-runtime")
        with explained(f"asking {self.name}"):
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=self.name, ContentType=_JSON, Accept=_JSON, Body=body
                )
                return bytes(answer["Body"].read())
            except ClientError as error:
                if error.response["Error"]["Code"] == "ModelError":
                    raise UserError(f"{self.name}: {_refusal(error.response)}") from None
                raise

    def _ask_queue(self, body: bytes) -> bytes:
        """By way of S3, where texts and answers do not stay."""
        s3, runtime = self.aws.client("s3"), self.aws.client("sagemaker-runtime")
        bucket, output = split_uri(self._queue["S3OutputPath"])
        key = f"{output.rpartition('/')[0]}/input/{uuid.uuid4().hex}.json"
        kms = self._queue.get("KmsKeyId")
        extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms} if kms else {}
        left = [(bucket, key)]
        with explained(f"asking {self.name}"):
            try:
                s3.put_object(Bucket=bucket, Key=key, Body=body, **extra)
                asked = runtime.invoke_endpoint_async(
                    EndpointName=self.name,
                    ContentType=_JSON,
                    Accept=_JSON,
                    InputLocation=f"s3://{bucket}/{key}",
                )
                done = split_uri(asked["OutputLocation"])
                failed = split_uri(asked["FailureLocation"])
                left += [done, failed]
                return self._fetched(done, failed)
            finally:
                for where, what in left:
                    with contextlib.suppress(ClientError):
                        s3.delete_object(Bucket=where, Key=what)

    def _fetched(self, done: tuple[str, str], failed: tuple[str, str]) -> bytes:
        begun, told = time.monotonic(), False
        while (waited := time.monotonic() - begun) < _PATIENCE:
            if (answer := self._get(*done)) is not None:
                return answer
            if (said := self._get(*failed)) is not None:
                raise UserError(f"{self.name}: {_said(said.decode('utf-8', 'replace'))}")
            if waited > _QUIET and not told:
                told = True
                print(
                    f"{self.name}: the request waits; if no machine is left, one comes in minutes",
                    file=sys.stderr,
                )
            time.sleep(_LOOK_S)
        raise UserError(f"{self.name} has not answered for an hour")

    def _get(self, bucket: str, key: str) -> bytes | None:
        try:
            return bytes(self.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise


def label(aws: AWS, target: Target, texts: Iterable[str], output: str | None) -> None:
    """Labels texts, and writes them as imdb_cls.predict does."""
    texts = iter(texts)
    first = next(texts)  # a wrong file is an error at once, not after a question
    endpoint = Endpoint(aws, target.name, target.word)
    with opened(output) as write:
        for predictions in endpoint.label(chain([first], texts)):
            write(predictions)


def requests(texts: Iterable[str], most: int, most_bytes: int) -> Iterator[list[str]]:
    """Texts in lists of at most so many, and so many bytes as JSON unless a single one has more."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        length = len(contract.encode(text)) + 1
        if chunk and (len(chunk) == most or size + length > most_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += length
    if chunk:
        yield chunk


def answers(body: bytes, texts: list[str], who: str) -> list[Prediction]:
    """
    Raises:
        UserError: it is no answer to these texts.
    """
    try:
        found = [(str(row["label"]), float(row["score"])) for row in json.loads(body)]
    except (ValueError, TypeError, KeyError):
        shown = one_line(Exception(body[:200].decode("utf-8", "replace")))
        raise UserError(f"{who}: no answer of a text classifier but {shown}") from None
    if len(found) != len(texts) or any(label not in LABELS for label, _ in found):
        raise UserError(
            f"{who}: {len(found)} answers to {len(texts)} texts, labelled"
            f" {', '.join(sorted({label for label, _ in found})) or 'nothing'}"
        )
    return [
        Prediction(text, label, score) for text, (label, score) in zip(texts, found, strict=True)
    ]


def _refusal(response: dict[str, Any]) -> str:
    """What the container said; SageMaker wraps it twice."""
    return _said(response.get("OriginalMessage") or response["Error"].get("Message") or "")


def _said(text: str) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = str(json.loads(text)["error"])
    return one_line(Exception(text or "it failed without a word"))
