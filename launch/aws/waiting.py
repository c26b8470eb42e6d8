"""Looks at what goes on in AWS until it is over, with one patience for all of it."""

import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from rich.text import Text

from imdb_cls.terminal import clock
from launch.aws.client import ConnectionLost

T = TypeVar("T")

# Seconds without an answer after which watching gives up; what is watched goes on.
_PATIENCE = 1800.0
_LONGEST_PAUSE = 30.0


def look_until_over(
    look: Callable[[], bool], poll_seconds: float, say: Callable[[str], None], meanwhile: str = ""
) -> None:
    """Calls `look` every `poll_seconds` until it returns True. While AWS does not answer, the
    pauses grow. `say` is told of that, with what goes on `meanwhile`, such as "the job goes on, ",
    and when AWS answers again. Raises ConnectionLost if it did not answer for half an hour, and
    whatever else `look` raises."""
    lost_at, pause = None, poll_seconds
    while True:
        try:
            if look():
                return
            if lost_at is not None:
                say("connected again")
            lost_at, pause = None, poll_seconds
        except ConnectionLost as error:
            if lost_at is None:
                lost_at = time.monotonic()
                say(f"{error}; {meanwhile}trying again")
            if time.monotonic() - lost_at > _PATIENCE:
                raise
            pause = min(2 * pause, max(poll_seconds, _LONGEST_PAUSE))
        time.sleep(pause)


def watch(
    look: Callable[[], T],
    over: Callable[[T], bool],
    status: Callable[[T], str],
    console: Console,
    poll_seconds: float,
) -> T:
    """What `look` gives when it is `over`. On a terminal `status` and the time stand in one line,
    in a pipe a line is printed whenever the status changes. Raises UserError if AWS refuses to
    tell, and ConnectionLost if it did not answer for half an hour."""
    begun, shown, found = time.monotonic(), "", list[T]()

    def look_once() -> bool:
        nonlocal shown
        found[:] = [look()]
        said = status(found[0])
        if console.is_terminal:
            elapsed = clock(time.monotonic() - begun)
            live.update(Text(f"{said}, {elapsed}"), refresh=True)
        elif said != shown:
            console.print(said, markup=False)
        shown = said
        return over(found[0])

    with Live(console=console, transient=True, auto_refresh=False) as live:
        look_until_over(look_once, poll_seconds, lambda text: console.print(text, markup=False))
    return found[0]
