"""Asks AWS for what is paid, so that it is made once and is known, whatever is lost on the way."""

from collections.abc import Callable
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from imdb_cls.errors import UserError
from launch.aws.client import AWS, ConnectionLost, explained
from launch.aws.limits import Request

# What SageMaker says of a name that something has already, and of an endpoint that is changing.
_TAKEN = ("already existing", "must be unique", "already exists", "in-progress")


class Unsettled(Exception):
    """What was asked for may have been made, and may be made yet. `cause` is the last thing that
    AWS said, or that nothing came."""

    def __init__(self, cause: UserError) -> None:
        super().__init__(str(cause))
        self.cause = cause

    def advising(self, advice: str) -> UserError:
        """The cause with what to do about it."""
        return type(self.cause)(f"{self.cause}; {advice}")


def create(
    aws: AWS,
    operation: str,
    request: Request,
    is_there: Callable[[], object],
    doing: str,
    **hints: str,
) -> None:
    """Sends a request to SageMaker. A refusal says nothing of an earlier attempt whose answer was
    lost: then `is_there` asks AWS for what was to be made, and gives something true if that is
    there and not somebody else's. `doing` and `hints` are as `explained` takes them. Raises
    UserError if AWS refuses, and nothing was made; Unsettled if nobody knows."""
    client, unanswered, settled = aws.client("sagemaker"), False, False

    def note(response: Any = None, **others: Any) -> None:
        nonlocal unanswered
        unanswered = unanswered or response is None or response[0].status_code >= 500

    event = f"needs-retry.sagemaker.{operation}"
    client.meta.events.register(event, note)
    try:
        with explained(doing, **hints):
            try:
                getattr(client, xform_name(operation))(**request)
            except ClientError as error:
                if (unanswered or _is_taken(error)) and is_there():
                    return
                settled = not unanswered
                raise
    except UserError as error:
        if settled and not isinstance(error, ConnectionLost):
            raise
        raise Unsettled(error) from None
    finally:
        client.meta.events.unregister(event, note)


def create_unless_there(call: Callable[..., Any], request: Request) -> None:
    """Creates something whose name says what it is made of: what has the name is the same."""
    try:
        call(**request)
    except ClientError as error:
        if not _is_taken(error):
            raise


def _is_taken(error: ClientError) -> bool:
    said = error.response["Error"].get("Message", "")
    return error.response["Error"]["Code"] == "ResourceInUse" or any(
        part in said for part in _TAKEN
    )
