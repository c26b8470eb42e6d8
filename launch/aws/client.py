"""Clients of AWS from the standard environment, and its errors on one line."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import boto3
from boto3.s3.transfer import S3TransferRetriesExceededError
from botocore import exceptions as boto
from botocore.config import Config as BotoConfig
from botocore.parsers import ResponseParserError

from imdb_cls.errors import UserError, nearest, one_line
from imdb_cls.training.loggers.aws import region

T = TypeVar("T")

# Throttling, timeouts and 5xx are tried again after growing pauses, for half a minute in all.
_CLIENT = BotoConfig(
    retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60
)
_EXPIRED = (
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
    *("InvalidClientTokenId", "UnrecognizedClientException"),
)
# AWS refuses requests that were signed at another time than its own.
_SKEWED = ("RequestTimeTooSkewed", "RequestInTheFuture")
_SAYS_SKEWED = ("Signature expired", "Signature not yet current")
_BUSY = ("TooManyRequestsException", "RequestLimitExceeded", "SlowDown")
_GONE = (
    *("ResourceNotFound", "ResourceNotFoundException", "ObjectNotFoundException"),
    *("NoSuchKey", "NoSuchEntity", "404"),
)
# SageMaker says it with a ValidationException, which may say anything else, too.
_SAYS_GONE = ("Could not find", "does not exist", "not found")


class QuotaReached(UserError):
    """The account may run no more jobs of this kind at once."""


class NotAllowed(UserError):
    """The user may not do that."""


class ConnectionLost(UserError):
    """AWS did not answer, or was too busy to, however often it was asked. What was asked for may
    have happened all the same."""


class AWS:
    """The clients of one region. Each is made when it is first needed."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.session = boto3.Session(region_name=region)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=_CLIENT)
        return self._clients[service]

    def listed(self, service: str, operation: str, key: str, **request: Any) -> list[Any]:
        """All that a paginated operation lists, which is below `key` in each page."""
        pages = self.client(service).get_paginator(operation).paginate(**request)
        return [item for page in pages for item in page.get(key, [])]

    def account(self) -> str:
        with explained("finding out your account"):
            return str(self.client("sts").get_caller_identity()["Account"])


def connect(asked: str | None) -> AWS:
    """Clients of the region that is asked for, or that this machine has as its default. Raises
    UserError if no region is known, or there is none of that name."""
    with explained("connecting to AWS"):
        found = region(asked)
        if found is None:
            raise UserError(
                "no AWS region: set AWS_REGION, a profile's region, or region=… (of a training job"
                " backend.region=…)"
            )
        check_region(found)
        return AWS(found)


def check_region(name: str) -> None:
    """Raises UserError if SageMaker has no such region."""
    session = boto3.Session()
    partitions = session.get_available_partitions()
    known = [r for p in partitions for r in session.get_available_regions("sagemaker", p)]
    if name not in known:
        raise UserError(f"region={name}: SageMaker knows no such region.{nearest(name, known)}")


@contextlib.contextmanager
def explained(doing: str, **hints: str) -> Iterator[None]:
    """Turns AWS's errors into one line that says what to do: a UserError where AWS refused or there
    are no credentials, a ConnectionLost where it could not be reached. `doing` is what was being
    done, as "submitting the job"; `hints` say what to try, by AWS's error code."""
    try:
        yield
    except boto.ClientError as error:
        raise _translated(error, doing, hints) from None
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError):
        raise UserError(
            f"{doing}: no AWS credentials: run `aws configure` or `aws sso login`, or set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except (boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError, boto.TokenRetrievalError):
        raise UserError(f"{doing}: the AWS login has expired: run `aws sso login`") from None
    except (boto.HTTPClientError, boto.ConnectionError, ResponseParserError) as error:
        raise ConnectionLost(f"{doing}: AWS cannot be reached: {one_line(error)}") from None
    except (boto3.exceptions.RetriesExceededError, S3TransferRetriesExceededError) as error:
        raise ConnectionLost(f"{doing}: the transfer broke off: {one_line(error)}") from None
    except boto3.exceptions.Boto3Error as error:
        if isinstance(error.__context__, boto.ClientError):
            raise _translated(error.__context__, doing, hints) from None
        raise UserError(f"{doing}: {one_line(error)}") from None
    except (boto.BotoCoreError, ValueError) as error:
        raise UserError(f"{doing}: {one_line(error)}") from None


def is_denied(code: str) -> bool:
    """Whether AWS's error code says that the user may not do something."""
    return "AccessDenied" in code or code in ("403", "UnauthorizedOperation")


def is_gone(error: boto.ClientError) -> bool:
    """Whether AWS says that there is no such thing."""
    code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return code in _GONE or (
        code == "ValidationException" and any(part in said for part in _SAYS_GONE)
    )


def unless_gone(call: Callable[..., T], **request: Any) -> T | None:
    """What AWS answers; None: there is no such thing, or it was deleted a moment ago."""
    try:
        return call(**request)
    except boto.ClientError as error:
        if is_gone(error):
            return None
        raise


def _translated(error: boto.ClientError, doing: str, hints: dict[str, str]) -> UserError:
    code = str(error.response["Error"].get("Code", ""))
    said = one_line(Exception(error.response["Error"].get("Message") or error))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if status >= 500 or "Throttl" in code or code in _BUSY:
        return ConnectionLost(f"{doing}: AWS is busy, however often it was asked: {said} ({code})")
    denied = NotAllowed if is_denied(code) else UserError
    kind = QuotaReached if code == "ResourceLimitExceeded" else denied
    return kind(f"{doing}: {_explain(code, said, hints)}")


def _explain(code: str, said: str, hints: dict[str, str]) -> str:
    if code in hints:
        return f"{said}: {hints[code]}"
    if code in _SKEWED or any(part in said for part in _SAYS_SKEWED):
        return f"the clock of this machine is not AWS's ({said}): set it"
    if code in _EXPIRED:
        return f"the AWS credentials have expired or are unknown ({said}): log in again"
    if is_denied(code):
        return (
            f"not allowed ({said}): docs/sagemaker.md has the policy for training jobs,"
            " docs/serving.md has the policy for endpoints and batch jobs"
        )
    if code == "ResourceLimitExceeded":
        return f"{said} Ask for a higher quota, or take another instance_type"
    return f"{said} ({code})"
