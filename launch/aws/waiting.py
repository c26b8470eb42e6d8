"""Looks at something in AWS until it is over, and shows how it stands."""

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


def watch(
    look: Callable[[], T],
    over: Callable[[T], bool],
    status: Callable[[T], str],
    console: Console,
    poll_seconds: float,
) -> T:
    """What `look` gives when it is `over`. On a terminal `status` and the time stand in one line,
    in a pipe a line is printed whenever the status changes.

    Raises:
        UserError: AWS refuses to tell.
        ConnectionLost: AWS did not answer for half an hour.
    """
    begun, lost_at, shown = time.monotonic(), None, ""
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            try:
                found = look()
            except ConnectionLost as error:
                if lost_at is None:
                    lost_at = time.monotonic()
                    console.print(f"{error}; trying again", markup=False)
                if time.monotonic() - lost_at > _PATIENCE:
                    raise
            else:
                lost_at, said = None, status(found)
                if console.is_terminal:
                    elapsed = clock(time.monotonic() - begun)
                    live.update(Text(f"{said}, {elapsed}"), refresh=True)
                elif said != shown:
                    console.print(said, markup=False)
                shown = said
                if over(found):
                    return found
            time.sleep(poll_seconds)
