"""Serves a run's model on this machine, from the same model.tar.gz that an endpoint gets."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imdb_cls.errors import UserError
from imdb_cls.terminal import quiet_libraries
from launch.serving.options import ServingOptions, check_options

if TYPE_CHECKING:
    from imdb_cls.inference.labeller import Labeller
    from launch.serving.page import ServedModel

# After the first signal, for requests that were made before it.
_GRACE_S = 30


def command(run: str, options: ServingOptions) -> None:
    """Serves a run directory, or a model.tar.gz, until a signal. Raises UserError for what a user
    can mend; nothing is then left behind."""
    check_options(options)
    quiet_libraries()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # transformers reads it, too
    # By default SIGTERM ends a process at once: what was unpacked so far would stay.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with bound(options.host, options.port) as listener:
        # It is deleted as soon as the model is loaded, so that nothing stays, however this ends.
        with tempfile.TemporaryDirectory(prefix="imdb_cls-serve-") as directory:
            labeller, model = load(run, Path(directory), options.threads)
        serve(labeller, model, listener, options)


def load(source: str, directory: Path, threads: int | None) -> "tuple[Labeller, ServedModel]":
    """The model of a run directory or an archive, which is unpacked into `directory`, and what is
    said of it. Raises UserError if it is neither, or damaged."""
    from imdb_cls.inference.engine import cores
    from imdb_cls.inference.labeller import Labeller
    from imdb_cls.runs.run import Run
    from launch.hosting import archive
    from launch.serving.page import ServedModel, accuracy_of

    path, model = Path(source).expanduser(), directory / "model"
    name, accuracy = str(path), "its test accuracy is not in the archive"
    if not path.is_file():
        run = Run.open(source, complete=True)
        name, accuracy = run.name, accuracy_of(run)
        path = directory / "model.tar.gz"
        archive.build(run, path)
    archive.unpack(path, model)
    try:
        labeller = Labeller.open(model, threads)
    except UserError as error:
        raise UserError(str(error).replace(str(model), source)) from None
    used = threads or cores()
    engine = f"{labeller.engine.name}, {used} thread{'s' * (used > 1)}"
    return labeller, ServedModel(name, engine, accuracy)


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that is bound and does not listen yet. Raises UserError if the port is taken, or the
    host is not this machine's."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise UserError(f"host={host}: no such host") from None
    family, kind, protocol, _, address = found[0]
    # Given `protocol`, asyncio turns off Nagle's algorithm, which delays an answer by 40 ms.
    with socket.socket(family, kind, protocol) as listener:
        # Otherwise the port of a server that was just stopped is taken for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _port_errors(host, port):
            listener.bind(address)
        yield listener


@contextlib.contextmanager
def _port_errors(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise UserError(f"port={port}: not allowed: choose one over 1023") from None
    except OSError as error:
        advice = f"port={port} of {host} cannot be had: {error.strerror}"
        raise UserError(f"{advice}: choose another; port=0 takes a free one") from None


def serve(
    labeller: "Labeller", model: "ServedModel", listener: socket.socket, options: ServingOptions
) -> None:
    """Answers requests until a signal, and then those that were made before it. A second signal
    ends the process at once."""
    import uvicorn

    from launch.serving import app, protocol

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    # To stderr go errors of the server's own: a client that did something wrong was told so.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    if options.verbose:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
    config = uvicorn.Config(
        app.make(labeller, options, model),
        http=type("Protocol", (protocol.Protocol,), {"seconds": options.body_seconds}),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=options.verbose,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    ready = f"serving {model.name} on {url} ({model.engine}): / /invocations /ping /docs"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(ready, flush=True)

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """In place of uvicorn's own, which raises the signal again at the end: the exit code is
            to be 0."""
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.stop, number)
            yield

        def stop(self, number: int) -> None:
            if self.should_exit:
                os._exit(128 + number)
            self.should_exit = True

    with _port_errors(options.host, port):
        listener.listen()  # fails if another process bound the port, too, and listened first
    asyncio.run(Server(config).serve(sockets=[listener]))
