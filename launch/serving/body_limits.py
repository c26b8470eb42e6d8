"""What stands between a connection and the app: bodies within limits, refusals that arrive."""

import asyncio
import contextlib
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imdb_cls.inference import contract
from imdb_cls.inference.contract import BadRequest, Limits

# Of silence: whoever has nothing more to send is not waited for.
_LINGER_S = 1.0


async def body_of(request: Request, limits: Limits, seconds: float) -> bytes:
    """
    Raises:
        BadRequest: 413 as soon as it is known to be too large, 408 if it takes too long.
        ClientDisconnect: the client went away.
    """
    # h11 lets no length through that is no number.
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
    return bytes(body)


async def is_gone(request: Request) -> None:
    """Waits until the client, whose body was read, closes its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def error(message: str) -> bytes:
    """The body of every answer that is not 200."""
    return contract.encode({"error": message})


class Lingering:
    """Answers before a body was read, and reads the rest of it afterwards: a socket that is closed
    with bytes in it resets the connection, and the client may never see why."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        """
        Args:
            seconds: the most to read on.
        """
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        names = {name for name, _ in scope["headers"]}
        whole = not names & {b"content-length", b"transfer-encoding"}
        started = False

        async def receiving() -> Message:
            nonlocal whole
            message = await receive()
            whole = whole or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            if whole:
                return await send(message)
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"connection", b"close")]
                return await send({**message, "headers": headers})
            if message.get("more_body", False):
                return await send(message)
            await send({**message, "more_body": True})
            await self._read_on(receiving, lambda: whole)
            return await send({"type": "http.response.body", "body": b""})

        try:
            await self._app(scope, receiving, sending)
        except asyncio.CancelledError:
            # The server has waited long enough for its last requests.
            if not started:
                await _refuse(send, 503, "the server is shutting down")
        except ClientDisconnect:
            pass

    async def _read_on(self, receive: Receive, is_whole: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while not is_whole():
                    async with asyncio.timeout(_LINGER_S):
                        await receive()


async def _refuse(send: Send, status: int, message: str) -> None:
    body = error(message)
    headers = [
        (b"content-type", contract.CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
