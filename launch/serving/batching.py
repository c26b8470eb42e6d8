"""Labels the texts of concurrent requests together, and makes no request wait for a longer one."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")

# Texts in a batch: enough for every core, and so few that a short request never waits for many.
BATCH = 32
# Texts that a request has in a batch before the others have their turn.
_TURN = 8


class Busy(Exception):
    """Too many texts are waiting."""


@dataclass(eq=False)
class _Waiting(Generic[T]):
    """A request. Its first `given` texts are labelled or being labelled."""

    texts: list[str]
    done: asyncio.Future[list[T]]
    given: int = 0
    found: list[T] = field(default_factory=list)


class Batcher(Generic[T]):
    """While a batch is labelled, the next one gathers: all texts that wait, up to BATCH. If there
    are more, requests take turns, so that a request of one text does not wait for one of a
    thousand."""

    def __init__(self, label: Callable[[list[str]], list[T]], thread: Executor, most: int) -> None:
        """
        Args:
            label: gives something for each text.
            thread: where `label` runs, one call at a time.
            most: how many texts may wait. A request that would be alone may be longer.
        """
        self._label, self._thread, self._most = label, thread, most
        self._waiting: deque[_Waiting[T]] = deque()
        self._loop: asyncio.Task[None] | None = None

    async def label(self, texts: list[str]) -> list[T]:
        """What each text is labelled with, in their order. A request that is cancelled leaves the
        queue. Raises Busy if too many texts are waiting already."""
        ahead = sum(len(one.texts) - one.given for one in self._waiting if not one.done.done())
        if ahead and ahead + len(texts) > self._most:
            raise Busy(f"{ahead:,} texts are waiting")
        request = _Waiting(texts, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._run())
        return await request.done

    async def _run(self) -> None:
        """Labels batches until no request waits."""
        loop = asyncio.get_running_loop()
        while parts := self._next():
            batch = [text for _, texts in parts for text in texts]
            try:
                found = iter(await loop.run_in_executor(self._thread, self._label, batch))
            except Exception as error:
                for one, _ in parts:
                    if not one.done.done():
                        one.done.set_exception(error)
                continue
            for one, texts in parts:
                one.found += islice(found, len(texts))
                if len(one.found) == len(one.texts) and not one.done.done():
                    one.done.set_result(one.found)

    def _next(self) -> list[tuple[_Waiting[T], list[str]]]:
        """The texts of the next batch, with the request that each part of them is of."""
        parts: list[tuple[_Waiting[T], list[str]]] = []
        room = BATCH
        while room and self._waiting:
            one = self._waiting.popleft()
            if one.done.done():  # its client went away, or one of its texts failed
                continue
            texts = one.texts[one.given : one.given + min(_TURN, room)]
            parts.append((one, texts))
            room -= len(texts)
            one.given += len(texts)
            if one.given < len(one.texts):
                self._waiting.append(one)
        return parts
