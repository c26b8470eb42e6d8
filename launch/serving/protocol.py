"""uvicorn's HTTP/1.1 with limits, without what servers and proxies may understand differently, and
with JSON errors for what never becomes a request."""

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from imdb_cls.inference import contract

# Bytes of a request line and headers.
MOST_HEADERS = 16 * 1024
_TOO_LONG = (431, f"over {MOST_HEADERS:,} bytes of headers")
# Each may hold a body. One more takes the place of one that is idle.
MOST_CONNECTIONS = 128
# Seconds that the rest of a refused request is read, so that its client sees the answer.
_LINGER_S = 1.0


class Connection(h11.Connection):
    """Refuses long headers however they arrive, and a body whose end is told in two ways."""

    fault = (400, "not an HTTP request")
    """The status and the line for what was refused."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MOST_HEADERS)

    def next_event(self) -> Any:
        """Raises h11.RemoteProtocolError after it has set `fault`."""
        # h11 counts the bytes of a head only while it is incomplete.
        before = len(self.trailing_data[0]) if self.their_state is h11.IDLE else 0
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            why, status = f"{self.fault[1]}: {error}"[:160], error.error_status_hint
            self.fault = _TOO_LONG if status == 431 else (status, why)
            raise
        if isinstance(event, h11.Request):
            self._check(event, before - len(self.trailing_data[0]))
            return _in_origin_form(event)
        return event

    def _check(self, request: h11.Request, size: int) -> None:
        names = {name for name, _ in request.headers}
        if size > MOST_HEADERS:
            self.fault = _TOO_LONG
        elif {b"content-length", b"transfer-encoding"} <= names:
            self.fault = (400, "the request: both Content-Length and Transfer-Encoding: send one")
        elif b"transfer-encoding" in names and request.http_version < b"1.1":
            self.fault = (400, "the request: HTTP/1.0 has no Transfer-Encoding")
        else:
            return
        raise h11.RemoteProtocolError(self.fault[1], error_status_hint=self.fault[0])


def _in_origin_form(request: h11.Request) -> h11.Request:
    """`http://host/ping` as `/ping`, which it stands for by RFC 9112, section 3.2.2."""
    scheme, separator, rest = request.target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return request
    return replace(request, target=b"/" + rest.partition(b"/")[2])


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
        goes = self._one_too_many()
        if goes is not None:
            goes._refuse(503, f"over {MOST_CONNECTIONS} connections are open: try again later")
        if goes is not self:
            self._set_timer()

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

    def _one_too_many(self) -> "Protocol | None":
        """The connection that has to make room for this one: of those without a whole request that
        have sent the least, the one that has taken longest for it; itself if there is none of them.
        None: there is room for all."""
        everyone = cast("set[Protocol]", self.connections)
        is_open = [one for one in everyone if not one.transport.is_closing()]
        waiting = [one for one in is_open if one is not self and not one._is_due()]
        if len(is_open) <= MOST_CONNECTIONS:
            return None
        return min(waiting, key=Protocol._progress, default=self)

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
            headers = [("content-type", contract.JSON), ("content-length", str(len(body)))]
            headers += [("connection", "close")]
            reason = HTTPStatus(status).phrase.encode()
            head = h11.Response(status_code=status, headers=headers, reason=reason)
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
