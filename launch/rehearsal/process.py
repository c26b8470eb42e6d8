"""A process that ends with this one, and is read to its last line."""

import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import IO

Process = subprocess.Popen[bytes]
Batches = Iterator[list[str]]
"""Each batch holds the lines that have come since the last one was taken."""


class BoundProcess(threading.Thread):
    """Starts `process` at once, and reads what it prints. Joining it waits for the last line.

    Args:
        variables: the whole environment of the process.
        read: is given the lines, in this thread.
    """

    def __init__(
        self, command: list[str], variables: dict[str, str], read: Callable[[Batches], None]
    ) -> None:
        super().__init__(daemon=True)
        self._command, self._variables, self._read = command, variables, read
        self._begun: Future[Process] = Future()
        self.start()
        self.process = self._begun.result()

    def run(self) -> None:
        # Whatever becomes of this program, the process does not outlive it: Linux kills the process
        # when the thread that started it ends. So this thread stays for as long as the process.
        bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        try:
            process = subprocess.Popen(
                [*bound, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._variables,
                # A Ctrl-C at the terminal is for the client, not for what stands for a machine.
                start_new_session=True,
            )
        except OSError as error:
            return self._begun.set_exception(error)
        self._begun.set_result(process)
        with process:
            assert process.stdout
            return self._read(_batches(process.stdout))


def _batches(stream: IO[bytes]) -> Batches:
    rest = b""
    # A carriage return at the very end waits: a line feed may follow it.
    while part := stream.read1():  # type: ignore[attr-defined]
        *lines, rest = re.split(rb"\r\n|\n|\r(?!\Z)", rest + part)
        if lines:
            yield [line.decode(errors="replace") for line in lines]
    if rest:
        yield [rest.decode(errors="replace").rstrip("\r")]
