"""Processes that tests start, read line by line, look for, and end."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs `python -m imdb_cls.<name> …` to its end; see the fixture `command`."""

SHOWING = """
import atexit, runpy, sys
@atexit.register
def show():
    print("imported:", *{name.partition(".")[0] for name in sys.modules})
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
"""A program that runs a module as `python -m` does, and prints what it has imported at the end."""


def imported_in(said: str) -> set[str]:
    """What a process that ran SHOWING has imported."""
    return set(said.splitlines()[-1].removeprefix("imported: ").split())


@contextlib.contextmanager
def started(words: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A command with one stream of output, killed at the end or after four minutes."""
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    watchdog = threading.Timer(240, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def until(process: "subprocess.Popen[str]", part: str) -> str:
    """What a process prints, up to the line that holds `part`."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if part in line:
            return said
    return pytest.fail(f"no line with {part!r}:\n{said[-3000:]}")


def rest_of(process: "subprocess.Popen[str]") -> str:
    """What a process prints after `until`, to its end. communicate(timeout=…) would lose what
    Python has read ahead."""
    assert process.stdout is not None
    said = process.stdout.read()
    process.wait()
    return said


def processes_of(path: Path) -> list[str]:
    """The living processes that have this path in their environment or arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(path).encode() in text and process.name != str(os.getpid()):
            found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
    return found
