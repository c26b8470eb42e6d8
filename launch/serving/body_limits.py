"""Request bodies within limits, and refusals that reach a client who is still sending one."""

import asyncio
import contextlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from imdb_cls.inference import contract
from imdb_cls.inference.contract import Limits
from imdb_cls.inference.faults import BadRequest

# A client that sends nothing for so long is not sending any more.
_SILENCE_S = 1.0
_OF_A_BODY = {b"content-length", b"transfer-encoding"}


async def read_body(request: Request, limits: Limits, seconds: float) -> bytes:
    """
    Raises:
        BadRequest: 413 as soon as the body is known to be too large, 408 if it takes too long.
        ClientDisconnect: the client went away.
    """
    # h11 has refused a length that is no number.
    if int(request.headers.get("content-length", 0)) > limits.body_bytes:
        raise contract.too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise contract.too_large(limits)
    except TimeoutError:
        raise BadRequest(408, f"the body: not here within {seconds:g} seconds") from None
    request.state.body_is_read = True
    return bytes(body)


async def until_gone(request: Request) -> None:
    """Returns when the client, whose body was read, closes its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Refusal(Response):
    """An error as one line of JSON. If the body was not read to its end, the rest of it is read and
    thrown away: a socket that is closed with unread bytes resets the connection, and the client may
    never see the answer."""

    def __init__(
        self, status: int, message: str, headers: dict[str, str] | None = None, seconds: float = 10
    ) -> None:
        """
        Args:
            seconds: the most to read on.
        """
        content = contract.encode({"error": message})
        super().__init__(content, status, headers, contract.JSON)
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_body = any(name in _OF_A_BODY for name, _ in scope["headers"])
        if not has_body or scope.get("state", {}).get("body_is_read"):
            return await super().__call__(scope, receive, send)

        async def send_unfinished(message: Message) -> None:
            await send({**message, "more_body": True})

        self.headers["connection"] = "close"
        await super().__call__(scope, receive, send_unfinished)
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):  # or the server is stopping
            async with asyncio.timeout(self._seconds):
                more = True
                while more:
                    async with asyncio.timeout(_SILENCE_S):
                        more = (await receive()).get("more_body", False)
        return await send({"type": "http.response.body", "body": b""})
