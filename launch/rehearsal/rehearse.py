"""What has to be there for a rehearsal, for as long as it lasts."""

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from imdb_cls.config import BackendConfig
from launch.hosting.options import Hosting
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.container import check_machine
from launch.rehearsal.files import restore
from launch.rehearsal.host import Host

REGION, BUCKET, ROLE = "us-east-1", "rehearsal", "arn:aws:iam::123456789012:role/rehearsal"
C = TypeVar("C", bound=BackendConfig | Hosting)


@contextlib.contextmanager
def local_account(config: C, port: int = 0) -> Iterator[tuple[C, LocalAWS]]:
    """A local AWS, with which every client that is made meanwhile talks. It serves endpoints and
    batch jobs. Gives the config with what the account has: a region, a bucket, a role."""
    region, bucket, role = config.region or REGION, config.bucket or BUCKET, config.role or ROLE
    pause = min(config.poll_seconds, 0.2)
    settled = replace(config, region=region, bucket=bucket, role=role, poll_seconds=pause)
    with contextlib.ExitStack() as stack:
        # These end it as Ctrl-C does, so that nothing is left running or lying about.
        for signum in (signal.SIGTERM, signal.SIGHUP):
            before = signal.signal(signum, signal.default_int_handler)
            stack.callback(signal.signal, signum, before)
        aws = stack.enter_context(LocalAWS(port))
        stack.enter_context(_environment(aws.environment(region)))
        aws.prepare(region, bucket, role)
        yield settled, aws


@contextlib.contextmanager
def rehearsed(
    backend: BackendConfig, kept: Path | None = None, port: int = 0
) -> Iterator[tuple[BackendConfig, LocalAWS]]:
    """A local account that carries training jobs out, too.

    Args:
        kept: where the files of the jobs lie, for a rehearsal that comes after one that was killed:
            it finds its checkpoints. None: nothing is kept.

    Raises:
        UserError: this machine cannot rehearse.
    """
    check_machine(backend)
    with (
        contextlib.nullcontext(str(kept))
        if kept
        else tempfile.TemporaryDirectory(
            prefix="imdb_cls-rehearsal-", ignore_cleanup_errors=True
        ) as directory,
        local_account(backend, port) as (settled, aws),
        contextlib.closing(Host(Path(directory), aws, backend.interrupt_at_step)) as host,
    ):
        restore(aws.client("s3", str(settled.region)), Path(directory))
        aws.training.runner = host.run
        yield settled, aws


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Has these variables, and no other that may lead to a real account."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
