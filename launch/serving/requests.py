"""HTTP requests as h11 reads them, without what servers and proxies may understand differently."""

from typing import Any

import h11

# Bytes of a request line and headers.
MOST_HEADERS = 16 * 1024
_TOO_LONG = (431, f"over {MOST_HEADERS:,} bytes of headers")


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
    return h11.Request(
        method=request.method,
        target=b"/" + rest.partition(b"/")[2],
        headers=request.headers.raw_items(),
        http_version=request.http_version,
    )
