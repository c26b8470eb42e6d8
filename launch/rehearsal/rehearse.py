"""What has to be there for a rehearsal, for as long as it lasts."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TypeVar

from imdb_cls.config import AwsConfig, BackendConfig
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.container import check_machine
from launch.rehearsal.files import restore
from launch.rehearsal.host import Host

REGION, BUCKET, ROLE = "us-east-1", "rehearsal", "arn:aws:iam::123456789012:role/rehearsal"
C = TypeVar("C", bound=AwsConfig)


@contextlib.contextmanager
def local_account(config: C, aws: LocalAWS | None = None) -> Iterator[C]:
    """Leads every client that is made meanwhile to a local AWS, which serves endpoints and batch
    jobs. Gives the config with what the account has: a region, a bucket, a role."""
    region, bucket, role = config.region or REGION, config.bucket or BUCKET, config.role or ROLE
    pause = min(config.poll_seconds, 0.2)
    settled = replace(config, region=region, bucket=bucket, role=role, poll_seconds=pause)
    with contextlib.ExitStack() as stack:
        # These end it as Ctrl-C does, so that nothing is left running or lying about.
        for signum in (signal.SIGTERM, signal.SIGHUP):
            handler = signal.signal(signum, signal.default_int_handler)
            stack.callback(signal.signal, signum, handler)
        aws = stack.enter_context(aws or LocalAWS())
        stack.callback(os.environ.update, dict(os.environ))
        stack.callback(os.environ.clear)
        # No other variable may lead to a real account.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(aws.environment(region))
        aws.provide(region, bucket, role)
        yield settled


@contextlib.contextmanager
def rehearsed(
    backend: BackendConfig, kept: Path | None = None, aws: LocalAWS | None = None
) -> Iterator[BackendConfig]:
    """The same, and the local AWS carries training jobs out, too.

    Args:
        kept: where the files of the jobs lie, for a rehearsal that comes after one that was killed:
            it finds its checkpoints. None: nothing is kept.

    Raises:
        UserError: this machine cannot rehearse.
    """
    check_machine(backend)
    with contextlib.ExitStack() as stack:
        directory = kept or Path(tempfile.mkdtemp(prefix="imdb_cls-rehearsal-"))
        if kept is None:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        aws = aws or LocalAWS()
        settled = stack.enter_context(local_account(backend, aws))
        restore(aws.client("s3", str(settled.region)), directory)
        step = backend.interrupt_at_step or inf
        aws.training.runner = Host(directory, aws, backend.rehearse_without, step).run
        yield settled
