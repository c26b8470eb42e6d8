"""Rehearses all that becomes of an endpoint: deploy, predict, list and delete, in a local AWS."""

import shlex
import tempfile
from pathlib import Path

from imdb_cls.runs.run import Run
from imdb_cls.terminal import Screen
from launch.aws.client import connect
from launch.endpoints import listing, plan, remove
from launch.endpoints.deploy import deploy
from launch.endpoints.invoke import label
from launch.endpoints.options import EndpointOptions
from launch.endpoints.record import Target
from launch.rehearsal.rehearse import local_account

SAMPLES = ("i liked the movie", "i hated the movie", "the movie was okay")
"""What a rehearsed endpoint is asked."""


def rehearse(run: Run, options: EndpointOptions, given: list[str], screen: Screen) -> None:
    """Does and shows what the four commands would. The answers come from the very archive that is
    deployed. Raises UserError as in an account."""
    path = str(run.path)

    def announce(*words: str) -> None:
        screen.rule("$ " + shlex.join(["python", "-m", "launch.endpoint", *words]))

    with local_account(options) as options, tempfile.TemporaryDirectory(prefix="imdb_cls-") as temp:
        aws = connect(options.region)
        announce("deploy", path, *given)
        planned = plan.plan_endpoint(run, options, Path(temp))
        planned.show(screen.console)
        deploy(planned, screen)
        announce("predict", path, *SAMPLES)
        label(aws, Target(planned.endpoint, aws.region, run), SAMPLES, None)
        announce("list")
        listing.show_all(aws, screen)
        announce("delete", path)
        remove.everything(aws, planned.endpoint, screen, options.poll_seconds)
        screen.say(f"{planned.endpoint} is deleted; nothing of it is left")
