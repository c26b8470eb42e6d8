"""Processes of this Python that find torch loaded already: most of a short command's time is that.

`python(place)` is what to write for `sys.executable` in a command. It starts this file, which asks
a server for a fork of itself and stands for that child towards whoever started it: its streams and
directory, its signals, its end. Where a fork might behave differently it becomes an ordinary Python
instead: with other variables that libraries read when they are imported, or without a server. A
fork never shows what a program imports by itself, nor what libraries say while they load, and /proc
shows the server's words and variables for it: tests of that want sys.executable.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from io import FileIO
from typing import Any

# These may differ from the server's: they are read when a command runs, or by pytest or a shell.
# Any other may have been read by a library that is imported already. Those from HYDRA_ on are set
# by our own code and by libraries, in the tests' process too, when they run.
_LATE = (
    *("PYTEST_", "IMDB_CLS_", "AWS_", "OUR_", "NETRC", "NO_PROXY", "no_proxy", "COLUMNS", "LINES"),
    *("HYDRA_", "TOKENIZERS_PARALLELISM", "HF_HUB_DISABLE_", "PL_", "PYTORCH_NVML_"),
    *("DO_NOT_TRACK", "MLFLOW_", "ORT_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING"),
    *("TORCHINDUCTOR_", "SAGEMAKER_", "TERM", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"),
    "ENABLE_IPC",  # joblib's, for a library that is not here
)
# All that is slow to import, but not the commands: they are imported as __main__.
_LOADED = (
    *("torch", "pytorch_lightning", "torchmetrics", "datasets", "pyarrow.parquet", "boto3"),
    *("transformers.models.auto.modeling_auto", "hydra.main", "launch.sagemaker"),
    *("transformers.models.distilbert.modeling_distilbert", "imdb_cls.sweeps.local"),
    *("imdb_cls.reports.sweep.conclude", "optuna", "imdb_cls.reports.run.page"),
    *("captum.attr", "cleanlab.filter", "sklearn.linear_model", "onnxruntime.quantization"),
    *("optuna.importance", "sagemaker.core.image_uris", "sagemaker.train.model_trainer"),
    *("launch.rehearsal.aws", "launch.rehearsal.host"),
    *(f"moto.{name}.responses" for name in ("cloudwatch", "iam", "logs", "s3", "secretsmanager")),
    *("wandb", "torch.utils.tensorboard"),
)

Request = tuple[list[str], str, dict[str, str], list[int]]
"""The words of a command, its directory, its variables, and the numbers of its open streams."""

# No command of a test begins with a stream of a higher number.
_STREAMS = 64

_held: dict[str, socket.socket | None] = {}


def python(place: str) -> list[str]:
    """The first words of a command: a warm Python. Its server listens at `place`, for all workers,
    until the last of them ends."""
    if place not in _held:
        with open(f"{place}.lock", "w") as lock, open(f"{place}.log", "ab") as log:  # noqa: PTH123
            fcntl.flock(lock, fcntl.LOCK_EX)
            _held[place] = _connected(place)
            # Forks of a process with torch in it are safe on Linux only.
            if sys.platform == "linux" and not _held[place]:
                # In a session of its own: Ctrl-C is for the tests, and the server ends with them.
                server = subprocess.Popen(
                    [sys.executable, __file__, place, "serve"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
                assert server.stdout
                server.stdout.readline()  # written once it listens
                _held[place] = _connected(place)
        if not _held[place]:
            warnings.warn(f"tests run without warm processes: see {place}.log", stacklevel=2)
    # Without site-packages, what is imported above takes 30 ms.
    return [sys.executable, "-IS", __file__, place] if _held[place] else [sys.executable]


def _connected(place: str) -> socket.socket | None:
    """A connection that the server has accepted."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.suppress(OSError):
        found.connect(place)
        if found.recv(1):
            return found
    found.close()
    return None


def _stand(place: str, words: list[str]) -> None:
    """The whole life of a process that a fork of the server carries out."""
    if server := _connected(place):
        streams = [number for number in range(_STREAMS) if _is_inherited(number)]
        request: Request = (words, os.getcwd(), dict(os.environ), streams)  # noqa: PTH109
        with contextlib.suppress(OSError):  # too long
            socket.send_fds(server, [json.dumps(request).encode()], streams)
            if child := int(server.recv(16) or 0):
                for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(signum, lambda signum, frame: os.kill(child, signum))
                code = int(server.recv(16) or -signal.SIGKILL)
                if code < 0:
                    signal.signal(-code, signal.SIG_DFL)
                    os.kill(os.getpid(), -code)
                os._exit(code)
    os.execv(sys.executable, [sys.executable, *words])


def _is_inherited(number: int) -> bool:
    """Whether a stream with this number was open when this process began."""
    try:
        return os.get_inheritable(number)
    except OSError:
        return False


def _serve(place: str) -> tuple[Request, list[int]]:
    """Forks until nobody is connected. Returns in the children alone: what to run, on which
    streams."""
    variables = dict(os.environ)
    for name in _LOADED:
        with contextlib.suppress(ImportError):  # whoever needs it will say so
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        from spare import spare  # this directory is that of the program

        spare()
    # Whatever a second thread did here would never be finished in a fork.
    assert threading.active_count() == 1
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place)  # noqa: PTH108
    listener.bind(place)
    listener.listen(64)
    print("listening", flush=True)
    watched, children = selectors.DefaultSelector(), dict[socket.socket, int]()
    watched.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in watched.select():
            source: Any = key.fileobj
            if source is listener:
                asker, _ = listener.accept()
                _tell(asker, "!")
                watched.register(asker, selectors.EVENT_READ)
            elif key.data:  # a child has ended: this one asked for it
                _, status = os.waitpid(children.pop(key.data), 0)
                _tell(key.data, str(os.waitstatus_to_exitcode(status)))
                watched.unregister(source)
                source.close()
            elif asked := _asked(source):
                request, streams = asked
                pid = os.fork() if _may_fork(request, variables) else None
                if pid == 0:
                    for other in list(watched.get_map().values()):
                        other.fileobj.close()  # type: ignore[union-attr]
                    watched.close()
                    return request, streams
                if pid:
                    children[source] = pid
                    end = FileIO(os.pidfd_open(pid))
                    watched.register(end, selectors.EVENT_READ, data=source)
                _tell(source, str(pid or 0))
                for stream in streams:
                    os.close(stream)
            else:
                if source in children:
                    os.kill(children[source], signal.SIGKILL)
                watched.unregister(source)
                source.close()
        if len(watched.get_map()) == 1:
            sys.exit()


def _tell(asker: socket.socket, what: str) -> None:
    with contextlib.suppress(OSError):  # killed meanwhile
        asker.send(what.encode())


def _asked(asker: socket.socket) -> tuple[Request, list[int]] | None:
    """None from one that has ended, or was killed."""
    with contextlib.suppress(OSError):
        message, streams, _, _ = socket.recv_fds(asker, 1 << 20, _STREAMS)
        return (json.loads(message), streams) if message else None
    return None


def _may_fork(request: Request, ours: dict[str, str]) -> bool:
    theirs = request[2]
    other = {n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n)}
    early = [name for name in sorted(other) if not name.startswith(_LATE)]
    early += request[0][:1] if request[0][:1] not in (["-u"], ["-m"], ["-c"]) else []
    if early:
        print("not forked:", *early, request[0], file=sys.stderr, flush=True)
    return not early


def _run(request: Request, streams: list[int]) -> None:
    """What Python does with -m or -c, its words, and the process that it gets."""
    words, directory, variables, numbers = request
    flag, program, *rest = words[words[0] == "-u" :]
    os.setsid()
    # Out of the way of the numbers that they get.
    moved = [fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, _STREAMS) for stream in streams]
    for stream in streams:
        os.close(stream)
    os.closerange(0, 3)
    for number, stream in zip(numbers, moved, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if number not in numbers:
            setattr(sys, name, None)
    if sys.stdout:
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir = None  # it is asked of TMPDIR once
    sys.argv[:] = [flag, *rest]
    sys.path[0] = directory if flag == "-m" else ""
    try:
        if flag == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            exec(program, {"__name__": "__main__"})
        _codes.append(0)
    except SystemExit as end:
        _codes.append(end.code or 0)
        raise


_codes: list[object] = []


@atexit.register
def _leave() -> None:
    """The last that is done at a child's exit. Python would now take its modules apart, which takes
    as long as a short command; it does so only after an exception."""
    if _codes and isinstance(_codes[0], int):
        for stream in (sys.stdout, sys.stderr):
            if stream:
                stream.flush()
        os._exit(_codes[0] & 0xFF)


if __name__ == "__main__":
    _place, *_words = sys.argv[1:]
    if _words == ["serve"]:
        _run(*_serve(_place))
    else:
        _stand(_place, _words)
