"""What stands between a client and the local AWS, and for the container of a job."""

import contextlib
import json
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.logs import JobLog
from launch.rehearsal.training_jobs import TrainingJob
from tests.support.called import Said
from tests.support.local_aws import BUCKET, REGION, ROLE
from tests.support.processes import started
from tests.support.rehearsed import IMPATIENT
from tests.support.runs import FILES, files_of, read

Submit = Callable[..., Said]
"""Submits the tiny run as a job, in this process, into tmp_path/<name>: the fixture `submit`."""

LINES = ["Starting training script", "step=1 epoch=0 train/loss=0.5", "", "ünïcode"]


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Says nothing."""


@dataclass
class Door:
    """A way to a local AWS that can be shut, refuse, and lose answers."""

    aws: LocalAWS
    refusals: list[tuple[str, str, int]] = field(default_factory=list)
    """Operation, error code, and how often still."""
    lost: str | None = None
    """How the next answer to `losing` gets lost: cut, or a 500."""
    losing: str = "CreateTrainingJob"
    """An operation, or a method of S3's."""
    dropped: int = 0
    """So many further requests for `losing` never arrive."""
    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What happens once an operation has been answered."""
    seen: list[str] = field(default_factory=list)
    """Operations, or methods and paths."""
    port: int = 0
    _server: BaseWSGIServer | None = None

    @property
    def jobs(self) -> list[str]:
        """The names of all jobs of the account."""
        return [job.name for job in self.aws.training.jobs.all()]

    def open(self) -> None:
        server = make_server("127.0.0.1", self.port, self, threaded=True, request_handler=_Silent)
        self.port, self._server = server.server_port, server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def shut(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def refuse(self, operation: str, code: str, times: int = 1) -> None:
        self.refusals.append((operation, code, times))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[2]
        self.seen.append(operation or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        operation = operation or environ["REQUEST_METHOD"]
        if operation == self.losing and (self.dropped or self.lost):
            how = "cut" if self.dropped else self.lost
            if self.dropped:
                self.dropped -= 1
            else:
                list(self.aws(environ, lambda *answer: None))
                self.lost = None
            if how == "cut":
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return _error(start_response, "500 Internal Server Error", "InternalFailure", "")
        for number, (refused, code, times) in enumerate(self.refusals):
            if refused == operation and times:
                self.refusals[number] = (refused, code, times - 1)
                return _error(start_response, "400 Bad Request", code, "Planted refusal.")
        answer = list(self.aws(environ, start_response))
        self.after.pop(operation, lambda: None)()
        return answer


def _error(
    start_response: Callable[..., Any], status: str, code: str, message: str
) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps({"__type": code, "message": message}).encode()]


def words_of(tiny: list[str], run: Path, *overrides: str) -> list[str]:
    account = [f"backend.role={ROLE}", f"backend.bucket={BUCKET}", "backend.wait=false"]
    soon = "backend.poll_seconds=0.05"
    return [*tiny, "+backend=sagemaker", *account, soon, f"hydra.run.dir={run}", *overrides]


@dataclass
class Actor:
    """Plays a job that prints LINES, trains until it may end, and leaves the files of a run."""

    aws: LocalAWS
    left: Path
    end: str = "Completed"
    reason: str | None = None
    may_end: threading.Event = field(default_factory=threading.Event)
    idle: threading.Event = field(default_factory=threading.Event)
    without: tuple[str, ...] = ()
    """The instance types that there are no machines of."""

    def run(self, job: TrainingJob) -> None:
        if not job.take_machine(self.without):
            return
        job.enter("Downloading")
        job.enter("Training")
        log = JobLog(self.aws, job, "algo-1")
        log.write(LINES)
        while not (self.may_end.wait(0.02) or job.stop.is_set() or self.aws.closed.is_set()):
            pass
        log.write(["the last line"])
        job.trained = 90.0
        if job.stop.is_set():
            job.enter("Stopping")
        self._leave(job)
        job.enter("Stopped" if job.stop.is_set() else self.end, self.reason)
        self.idle.set()

    def _leave(self, job: TrainingJob) -> None:
        s3, base = self.aws.client("s3", REGION), f"imdb_cls/jobs/{job.name}"
        if self.end == "Completed" and not job.stop.is_set():
            for name, folder, root in (
                ("model", self.left / "model", ""),
                ("output", self.left, "run/"),
            ):
                archive = self.left.parent / f"{job.name}-{name}.tar.gz"
                with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
                    for path in sorted(folder.iterdir()):
                        if path.is_file():
                            tar.add(path, root + path.name)
                s3.upload_file(str(archive), BUCKET, f"{base}/output/{name}.tar.gz")
                archive.unlink()
        kept = job.checkpoints.removeprefix(f"s3://{BUCKET}/")
        for path in (self.left / "checkpoints").iterdir():
            s3.upload_file(str(path), BUCKET, f"{kept}/run/checkpoints/{path.name}")
        for name in ("config.yaml", "run.json", "train.log", "metrics.csv"):
            s3.upload_file(str(self.left / name), BUCKET, f"{kept}/run/{name}")


@dataclass
class Following:
    door: Door
    actor: Actor
    run: Path
    python: list[str]

    def send(self) -> None:
        request = read(self.run.parent, "request.json")
        self.actor.idle.clear()
        self.door.aws.training.runner = self.actor.run
        self.door.aws.client("sagemaker", REGION).create_training_job(**request)

    @property
    def job(self) -> TrainingJob:
        (job,) = self.door.aws.training.jobs.all()
        return job

    def jobs(self, *words: str) -> Said:
        """What `python -m launch.jobs …` says."""
        done = subprocess.run(
            [*self.python, "-c", IMPATIENT, *words], capture_output=True, text=True, timeout=120
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def attach(self) -> "contextlib.AbstractContextManager[subprocess.Popen[str]]":
        return started([*self.python, "-c", IMPATIENT, "attach", str(self.run)])

    @property
    def name(self) -> str:
        """The job's, as it is on record."""
        return str(read(self.run.parent, "request.json")["TrainingJobName"])

    def has_it_all(self, run: Path | None = None) -> bool:
        record = read(run or self.run, "run.json")
        assert files_of(run or self.run) == FILES
        return (record["status"], record["job"]["status"]) == ("completed", "Completed")
