"""Labels the texts of concurrent requests together, without making any of them wait for others."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

# Enough to keep every core at work, few enough that a short request is never behind many texts.
BATCH = 32
# Of one request in a batch, before others have had their turn.
_TURN = 8


class Busy(Exception):
    """More texts wait than may."""


@dataclass(eq=False)
class _Waiting:
    """A request, of which the first `given` texts are labelled or being labelled."""

    texts: list[str]
    done: asyncio.Future[list[float]]
    given: int = 0
    found: list[float] = field(default_factory=list)


class Batcher:
    """While a batch is labelled, the next one gathers: all texts that wait, up to BATCH, by turns
    if there are more, so that a request of one text does not stand behind one of a thousand."""

    def __init__(
        self, label: Callable[[list[str]], list[float]], thread: Executor, most: int
    ) -> None:
        """
        Args:
            label: [texts] to [texts].
            thread: where it runs, one call at a time.
            most: texts that may wait; one request may always, if nobody else does.
        """
        self._label, self._thread, self._most = label, thread, most
        self._waiting: deque[_Waiting] = deque()
        self._loop: asyncio.Task[None] | None = None

    async def log_odds(self, texts: list[str]) -> list[float]:
        """[texts], in their order. Whoever cancels this leaves the queue.

        Raises:
            Busy: too many wait already.
        """
        ahead = sum(len(one.texts) - one.given for one in self._waiting if not one.done.done())
        if ahead and ahead + len(texts) > self._most:
            raise Busy(f"{ahead:,} texts are waiting")
        request = _Waiting(texts, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._run())
        return await request.done

    async def _run(self) -> None:
        """Until nobody waits."""
        loop = asyncio.get_running_loop()
        while parts := self._next():
            texts = [text for one, start, stop in parts for text in one.texts[start:stop]]
            try:
                found = await loop.run_in_executor(self._thread, self._label, texts)
            except Exception as error:
                for one, _, _ in parts:
                    if not one.done.done():
                        one.done.set_exception(error)
                continue
            position = 0
            for one, start, stop in parts:
                one.found += found[position : position + stop - start]
                position += stop - start
                if len(one.found) == len(one.texts) and not one.done.done():
                    one.done.set_result(one.found)

    def _next(self) -> list[tuple[_Waiting, int, int]]:
        """The texts of the next batch: whose, from which, to which."""
        parts: list[tuple[_Waiting, int, int]] = []
        room = BATCH
        while room and self._waiting:
            one = self._waiting.popleft()
            if one.done.done():  # its client went away, or one of its texts failed
                continue
            stop = min(len(one.texts), one.given + min(_TURN, room))
            parts.append((one, one.given, stop))
            room -= stop - one.given
            one.given = stop
            if stop < len(one.texts):
                self._waiting.append(one)
        return parts
