"""Texts of concurrent requests: labelled together, answered apart, by turns."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from launch.serving.batching import BATCH, Batcher, Busy
from launch.serving.options import ServingOptions
from tests.support.served import MODEL


class Held:
    """What labels a text by its number, each batch only once `go` is called for it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun, self._may = asyncio.Event(), threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()

    def __call__(self, texts: list[str]) -> list[float]:
        self.batches.append(texts)
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self._may.acquire(timeout=30)
        if "bad" in texts:
            raise ValueError("bad")
        return [float(text) for text in texts]

    def go(self, batches: int = 100) -> None:
        self._may.release(batches)


def texts(first: int, count: int) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def tried(scenario: Callable[[Held, Batcher[float]], Awaitable[None]], most: int = 1000) -> None:
    """Runs a scenario with a batcher whose first batch, of one text, is under way."""

    async def run() -> None:
        label = Held()
        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(label, thread, most)
            first = asyncio.create_task(batcher.label(["0"]))
            await label.begun.wait()
            try:
                await scenario(label, batcher)
                assert await first == [0.0]
            finally:
                label.go()

    asyncio.run(run())


async def asked(batcher: Batcher[float], texts: list[str]) -> "asyncio.Task[list[float]]":
    """A request that stands in the queue."""
    task = asyncio.create_task(batcher.label(texts))
    await asyncio.sleep(0)  # it runs until it waits
    return task


def test_while_a_batch_runs_the_next_gathers_and_each_gets_its_own() -> None:
    async def scenario(label: Held, batcher: Batcher[float]) -> None:
        tasks = [await asked(batcher, texts(10 * i, i)) for i in (1, 2, 3)]
        label.go()
        for i, task in zip((1, 2, 3), tasks, strict=True):
            assert await task == [float(text) for text in texts(10 * i, i)]
        assert [len(batch) for batch in label.batches] == [1, 6]

    tried(scenario)


def test_a_long_request_keeps_its_order_and_does_not_keep_a_short_one_waiting() -> None:
    async def scenario(label: Held, batcher: Batcher[float]) -> None:
        long = await asked(batcher, texts(100, 300))
        short = await asked(batcher, ["7"])
        label.go(2)
        assert await short == [7.0]
        assert len(label.batches[1]) == BATCH
        assert not long.done()
        label.go()
        assert await long == [float(text) for text in texts(100, 300)]
        assert sum(map(len, label.batches)) == 302

    tried(scenario)


def test_texts_whose_client_went_away_are_not_labelled() -> None:
    async def scenario(label: Held, batcher: Batcher[float]) -> None:
        gone, stays = await asked(batcher, texts(100, 300)), await asked(batcher, ["7"])
        gone.cancel()
        await asyncio.wait({gone})
        label.go()
        assert await stays == [7.0]
        assert label.batches == [["0"], ["7"]]

    tried(scenario)


def test_more_than_may_wait_are_turned_away_and_those_that_wait_are_answered() -> None:
    async def scenario(label: Held, batcher: Batcher[float]) -> None:
        waiting = await asked(batcher, texts(100, 40))  # alone it may be of any length
        with pytest.raises(Busy, match="40 texts are waiting"):
            await batcher.label(["7"])
        label.go()
        assert len(await waiting) == 40
        assert await batcher.label(["7"]) == [7.0]

    tried(scenario, most=30)


def test_an_error_is_told_to_those_of_its_batch_and_the_next_is_labelled() -> None:
    async def scenario(label: Held, batcher: Batcher[float]) -> None:
        bad, with_it = await asked(batcher, ["bad"] * 100), await asked(batcher, ["7"])
        label.go()
        for task in (bad, with_it):
            with pytest.raises(ValueError, match="bad"):
                await task
        assert await batcher.label(["8"]) == [8.0]
        assert len(label.batches) == 3

    tried(scenario)


def test_a_client_that_closes_its_connection_leaves_the_queue() -> None:
    from launch.serving import app

    async def run() -> None:
        label = Held()

        def logits(texts: list[str]) -> "np.ndarray[Any, Any]":
            return np.array([[0.0, value] for value in label(texts)])

        served = app.make(SimpleNamespace(logits=logits, temperature=1.0), ServingOptions(), MODEL)  # type: ignore[arg-type]
        closed, never = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(_invoke(served, ["0"], never))
        await label.begun.wait()
        second = asyncio.create_task(_invoke(served, texts(100, 300), closed))
        third = asyncio.create_task(_invoke(served, ["7"], never))
        closed.set()
        await second
        label.go()
        assert [len(json.loads(await task)) for task in (first, third)] == [1, 1]
        assert label.batches == [["0"], ["7"]]

    asyncio.run(run())


async def _invoke(served: Any, texts: list[str], closed: asyncio.Event) -> bytes:
    """The answer to one request of a client that closes its connection when it is told to."""
    body, answer = json.dumps({"inputs": texts}).encode(), []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await closed.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message.get("body", b""))

    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": headers}
    await served({**scope, "query_string": b"", "root_path": ""}, receive, send)
    return b"".join(answer)
