"""uvicorn's HTTP/1.1 with limits and JSON errors for what never becomes a request."""

import asyncio
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from imdb_cls.inference import contract

# Each may hold a body; more are refused at once.
MOST_CONNECTIONS = 128
# Bytes of a request line and headers.
MOST_HEADERS = 16 * 1024


class Protocol(H11Protocol):
    """The head of a request has to arrive in time, as its body has, and every refusal is JSON."""

    seconds: float
    """For the head of a request."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(503, f"over {MOST_CONNECTIONS} connections are open: try again later")
        else:
            self._set_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._set_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP. uvicorn's own answer is plain text."""
        self._refuse(
            400, f"not an HTTP request, or one with over {MOST_HEADERS:,} bytes of headers"
        )

    def _set_timer(self) -> None:
        """Runs while a head is awaited: the first of a connection, or one that has begun. uvicorn
        closes a connection itself that is idle after an answer."""
        if self.conn.their_state is not h11.IDLE or self.timeout_keep_alive_task is not None:
            self._stop_timer()
        elif self._timer is None:
            message = f"the request: its headers were not here within {self.seconds:g} seconds"
            self._timer = self.loop.call_later(self.seconds, self._refuse, 408, message)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, message: str) -> None:
        """Answers without the app, and closes the connection."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        body = contract.encode({"error": message})
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            head = h11.Response(
                status_code=status,
                headers=[
                    ("content-type", contract.CONTENT_TYPE),
                    ("content-length", str(len(body))),
                    ("connection", "close"),
                ],
                reason=HTTPStatus(status).phrase.encode(),
            )
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(cast(Any, event)) or b"")
        self.transport.close()
