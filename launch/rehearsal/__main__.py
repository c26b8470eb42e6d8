"""Keeps a local AWS running, for other programs: python -m launch.rehearsal [port=5000]"""

import sys
import threading
from dataclasses import dataclass

from imdb_cls import cli
from imdb_cls.config import BackendConfig
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.rehearse import BUCKET, REGION, ROLE, rehearsed

USAGE = """
usage: python -m launch.rehearsal [port=N] [region=NAME] [bucket=NAME] [role=ARN]

A local AWS with one bucket and one role, until Ctrl-C. Set the variables that it prints, and
submit, attach, stop and fetch, or deploy, predict and delete, as with an account.
"""


@dataclass
class Arguments:
    port: int | None = 5000
    region: str = REGION
    bucket: str = BUCKET
    role: str = ROLE


def main() -> None:
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], USAGE)
        backend = BackendConfig(region=given.region, bucket=given.bucket, role=given.role)
        aws = LocalAWS(given.port or 0)
        with rehearsed(backend, aws=aws):
            account = {"SAGEMAKER_ROLE": given.role, "SAGEMAKER_BUCKET": given.bucket}
            for name, value in (aws.environment(given.region) | account).items():
                print(f"export {name}={value}", flush=True)
            threading.Event().wait()


if __name__ == "__main__":
    main()
