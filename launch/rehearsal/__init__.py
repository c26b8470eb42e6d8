"""The same on this machine: a local AWS, and a host that keeps the container contract of jobs."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from imdb_cls.config import AwsConfig, BackendConfig

if TYPE_CHECKING:
    from launch.rehearsal.aws import LocalAWS

C = TypeVar("C", bound=AwsConfig)

# Variables that would lead to a real account.
_REAL = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
)


@contextlib.contextmanager
def rehearsed(backend: BackendConfig, kept: Path | None = None) -> Iterator[BackendConfig]:
    """A local AWS for as long as this lasts; every client made meanwhile talks to it. Gives the
    backend with what an account would have: a role, a bucket, a region.

    Args:
        kept: where the files of the jobs lie, for a rehearsal that comes after one that was killed:
            it finds its checkpoints. None: nothing is kept.

    Raises:
        UserError: this machine cannot rehearse.
    """
    from launch.rehearsal.host import Host
    from launch.rehearsal.machine import check_machine

    check_machine(backend)
    directory = kept or Path(tempfile.mkdtemp(prefix="imdb_cls-rehearsal-"))
    try:
        with _local_aws(backend) as (aws, backend):
            assert backend.region
            host = Host(directory, aws, backend.region, backend.interrupt_at_step)
            aws.runner, aws.closing = host.run, host.close
            host.restore()
            yield backend
    finally:
        if kept is None:
            shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def local_account(options: C) -> Iterator[C]:
    """The same for endpoints and batch jobs, which need no containers."""
    with _local_aws(options) as (_, options):
        yield options


@contextlib.contextmanager
def _local_aws(config: C) -> "Iterator[tuple[LocalAWS, C]]":
    """A local AWS that every client made meanwhile talks to, and the config with what it has: a
    role, a bucket, a region."""
    # moto takes a second to load: only for a rehearsal.
    from launch.rehearsal.aws import LocalAWS

    region, bucket = config.region or "us-east-1", config.bucket or "rehearsal"
    role = config.role or "arn:aws:iam::123456789012:role/rehearsal"
    poll = min(config.poll_seconds, 0.2)
    with LocalAWS() as aws, _environment(aws.environment(region)), interrupted_by_signals():
        aws.prepare(region, bucket, role)
        yield (
            aws,
            replace(config, role=role, bucket=bucket, region=region, poll_seconds=poll),
        )


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Ends like Ctrl-C does, so that nothing is left running or lying about."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signums = (signal.SIGTERM, signal.SIGHUP)
    previous = [signal.signal(signum, interrupt) for signum in signums]
    try:
        yield
    finally:
        for signum, handler in zip(signums, previous, strict=True):
            signal.signal(signum, handler)


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in _REAL:
        os.environ.pop(name, None)
    # Endpoints of single services would win over the one that follows.
    for name in [n for n in os.environ if n.startswith("AWS_ENDPOINT_URL")]:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
