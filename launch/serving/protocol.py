"""uvicorn's HTTP/1.1 with limits and JSON errors for what never becomes a request."""

import asyncio
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from imdb_cls.inference import contract
from launch.serving.requests import Connection

# Each may hold a body. One more takes the place of one that is idle.
MOST_CONNECTIONS = 128
# Seconds that the rest of a refused request is read, so that its client sees the answer.
_LINGER_S = 1.0


class Protocol(H11Protocol):
    """The head of a request has to arrive in time, as its body has, and every refusal is JSON."""

    seconds: float
    """For the head of a request, and for an answer to be read."""
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _since = 0.0
    """When it began to wait for a request, by the loop's clock."""
    _is_refused = _is_ended = False
    """Whether it was answered without the app, and whether its client sends no more."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.conn = Connection()
        self._since = self.loop.time()
        if self._has_room():
            self._set_timer()
        else:
            self._refuse(503, f"over {MOST_CONNECTIONS} connections are open: try again later")

    def data_received(self, data: bytes) -> None:
        if not self._is_refused:
            super().data_received(data)
            self._set_timer()

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that sends no more still gets the answers to all that it has sent. Returns
        whether the connection stays open for that."""
        self._is_ended = True
        return self._close_if_ended()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()
        self._close_if_ended()
        self._set_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP. uvicorn's own answer is plain text."""
        self._refuse(*cast(Connection, self.conn).fault, linger=True)

    def _is_due(self) -> bool:
        """Whether the app is answering a request that is here to its end."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _close_if_ended(self) -> bool:
        """Closes the connection if its client sends no more, and no answer is due. Returns whether
        one is."""
        if self._is_ended and not self._is_due() and not self._is_refused:
            if self._progress()[0]:
                self._refuse(400, "the request: the client closed the connection before its end")
            self.transport.close()
        return self._is_due()

    def _progress(self) -> tuple[int, float]:
        """How far its next request is, and since when it has been waited for."""
        has_body, has_head = self.conn.their_state is h11.SEND_BODY, self.conn.trailing_data[0]
        return 2 if has_body else 1 if has_head else 0, self._since

    def _has_room(self) -> bool:
        """Whether there is a place for this connection, after one without a whole request was
        turned away if need be: of those that have sent the least, the one that has taken longest
        for it."""
        everyone = cast("set[Protocol]", self.connections)
        is_open = [one for one in everyone if not one.transport.is_closing()]
        waiting = [one for one in is_open if one is not self and not one._is_due()]
        if len(is_open) <= MOST_CONNECTIONS:
            return True
        if waiting:
            least = min(waiting, key=lambda one: one._progress())
            least._refuse(503, f"over {MOST_CONNECTIONS} connections are open: try again later")
        return bool(waiting)

    def _set_timer(self) -> None:
        """Runs while a head is awaited: the first of a connection, or one that has begun. uvicorn
        closes a connection itself that is idle after an answer."""
        if self.conn.their_state is not h11.IDLE or self.timeout_keep_alive_task is not None:
            self._stop_timer()
        elif self._timer is None and not self.transport.is_closing():
            message = f"the request: its headers were not here within {self.seconds:g} seconds"
            self._timer = self.loop.call_later(self.seconds, self._refuse, 408, message)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, message: str, linger: bool = False) -> None:
        """Answers without the app, and closes the connection.

        Args:
            linger: reads on for a while. A socket that is closed with unread bytes resets the
                connection, and the client may never see the answer.
        """
        self._stop_timer()
        self._is_refused = True
        if self.transport.is_closing():
            return
        body = contract.encode({"error": message})
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            head = h11.Response(
                status_code=status,
                headers=[
                    ("content-type", contract.JSON),
                    ("content-length", str(len(body))),
                    ("connection", "close"),
                ],
                reason=HTTPStatus(status).phrase.encode(),
            )
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(cast(Any, event)) or b"")
        if self.cycle is not None:
            self.cycle.disconnected = True  # as for the app
            self.cycle.message_event.set()
        if linger and not self._is_ended:
            self.flow.resume_reading()
            self.transport.write_eof()
            self.loop.call_later(_LINGER_S, self.transport.close)
        else:
            self.transport.close()
