"""Keeps a local AWS running, for other programs: python -m launch.rehearsal [port=5000]"""

import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from imdb_cls import cli
from imdb_cls.config import BackendConfig
from launch.rehearsal import interrupted_by_signals
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.host import Host
from launch.rehearsal.machine import check_machine

USAGE = """
usage: python -m launch.rehearsal [port=N] [region=NAME] [bucket=NAME] [role=ARN]

A local AWS with one bucket and one role, until Ctrl-C. Set the variables that it prints, and
submit, attach, stop and fetch, or deploy, predict and delete, as with an account.
"""


@dataclass
class Arguments:
    port: int | None = 5000
    region: str = "us-east-1"
    bucket: str = "rehearsal"
    role: str = "arn:aws:iam::123456789012:role/rehearsal"


def main() -> None:
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], USAGE)
        check_machine(BackendConfig())
        with (
            interrupted_by_signals(),
            tempfile.TemporaryDirectory(prefix="imdb_cls-rehearsal-") as directory,
            LocalAWS(given.port or 0) as aws,
        ):
            host = Host(Path(directory), aws, given.region)
            aws.runner, aws.closing = host.run, host.close
            aws.prepare(given.region, given.bucket, given.role)
            variables = aws.environment(given.region) | {
                "SAGEMAKER_ROLE": given.role,
                "SAGEMAKER_BUCKET": given.bucket,
            }
            for name, value in variables.items():
                print(f"export {name}={value}", flush=True)
            threading.Event().wait()


if __name__ == "__main__":
    main()
