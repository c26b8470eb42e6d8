"""A rehearsal of all that becomes of an endpoint: deploy, predict, list, delete."""

import shlex
import tempfile
from pathlib import Path

from imdb_cls.runs.run import Run
from imdb_cls.terminal import Screen
from launch.aws.client import connect
from launch.endpoints import listing, plan, remove
from launch.endpoints.deploy import deploy
from launch.endpoints.invoke import label
from launch.endpoints.options import Options
from launch.endpoints.record import Target
from launch.rehearsal.rehearse import local_account

SAMPLES = ("i liked the movie", "i hated the movie", "the movie was okay")
"""What is asked of an endpoint that is rehearsed."""


def rehearse(run: Run, options: Options, given: list[str], screen: Screen) -> None:
    """In a local AWS that lasts as long, with answers from the very archive that is deployed.

    Raises:
        UserError: as with an account.
    """
    path = str(run.path)

    def told(*words: str) -> None:
        screen.rule("$ " + shlex.join(["python", "-m", "launch.endpoint", *words]))

    with local_account(options) as options:
        aws = connect(options.region)
        told("deploy", path, *given)
        with tempfile.TemporaryDirectory(prefix="imdb_cls-") as staging:
            planned = plan.prepare(run, options, Path(staging))
            planned.show(screen.console)
            deploy(planned, aws, screen)
        told("predict", path, *SAMPLES)
        label(aws, Target(planned.endpoint, aws.region, run), SAMPLES, None)
        told("list")
        listing.show_all(aws, screen)
        told("delete", path)
        remove.everything(aws, planned.endpoint, screen, options.poll_seconds)
        screen.say(f"{planned.endpoint} is deleted; nothing of it is left")
