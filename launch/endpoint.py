"""A run's model as an endpoint: python -m launch.endpoint deploy | predict | status | delete …"""

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from imdb_cls import cli
from imdb_cls.errors import UserError, nearest
from imdb_cls.terminal import Screen
from launch.hosting.options import carry_out, from_words, split, write_requests

USAGE = """
usage: python -m launch.endpoint COMMAND [RUN] [key=value …]

  deploy RUN         a SageMaker endpoint with the run's model; again, it is updated
  predict RUN "text" …  asks it; also input=FILE, or a review a line from standard input
  status RUN         how it stands, and what it has cost
  delete RUN         takes it and all that was made for it away
  list               what is running
  serve RUN          the same answers from a server on this machine; RUN may be a model.tar.gz

  deploy: every key of conf/endpoint.yaml, among them
    kind=NAME        instance, serverless or async (instance)
    instance_type=NAME  (ml.m5.xlarge)
    max_instances=N  autoscaling up to so many, from min_instances=N
    dry_run=true     the plan, its price and the requests; sends nothing
    rehearse=true    deploy, predict, list and delete in a local AWS, without an account
  predict: as imdb_cls.predict
    input=FILE text=COLUMN output=FILE
    --               everything behind it is text
  serve
    host=NAME          where to listen (127.0.0.1: this machine alone)
    port=N             0 takes a free one (8080)
    threads=N          that label (every core)
    max_body_mb=N      bytes of a request, in MiB (6, as SageMaker has it)
    max_texts=N        texts of a request (1024)
    max_characters=N   characters of a text (100000)
    body_seconds=N     for a request to arrive (10)
    verbose=true       a line a request (false)
  status, predict, delete, list
    region=NAME      (that of the record in the run directory, or the profile's)

RUN is a run directory; predict, status and delete take the name of an endpoint too.
"""

COMMANDS = ("deploy", "predict", "status", "delete", "list", "serve")


@dataclass
class PredictArguments:
    input: str | None = None
    text: str = "text"
    output: str | None = None
    region: str | None = None
    texts: list[str] = field(default_factory=list)


@dataclass
class OtherArguments:
    """What status, delete and list can be told."""

    region: str | None = None
    words: list[str] = field(default_factory=list)


def run(words: list[str]) -> None:
    """Raises UserError for whatever a user can mend."""
    command, *rest = words or [""]
    if command not in COMMANDS:
        raise UserError(
            f"unknown command '{command}': allowed are {', '.join(COMMANDS)}."
            f"{nearest(command, COMMANDS)}"
        )
    if command == "deploy":
        deploy(*_run_and_keys(command, rest))
    elif command == "predict":
        predict(cli.arguments(PredictArguments, rest, USAGE, free="texts"))
    elif command == "serve":
        serve(*_run_and_keys(command, rest))
    else:
        show_or_delete(command, cli.arguments(OtherArguments, rest, USAGE, free="words"))


def deploy(path: str, keys: list[str]) -> None:
    """Shows the plan, and deploys it unless it is a dry run."""
    from imdb_cls.runs.run import Run
    from launch.endpoints import plan, scaling
    from launch.endpoints.deploy import deploy
    from launch.endpoints.options import read

    options = read(keys)
    found, screen = Run.open(path, complete=True), Screen()
    if options.rehearse:
        from launch.endpoints.rehearse import rehearse

        return rehearse(found, options, keys, screen)
    with tempfile.TemporaryDirectory(prefix="imdb_cls-") as staging:
        planned = plan.plan_endpoint(found, options, Path(staging))
        planned.show(screen.console)
        if options.dry_run:
            sent = [*planned.requests.items(), *scaling.steps(options, planned.endpoint)]
            return write_requests(found.path / "endpoint-requests.json", sent, screen)
        deploy(planned, screen)
    if options.wait:
        screen.say(f'python -m launch.endpoint predict {path} "i liked the movie"')
        screen.say(f"It is billed until: python -m launch.endpoint delete {path}")
    return None


def predict(given: PredictArguments) -> None:
    """Labels of an endpoint, in the form that imdb_cls.predict gives them."""
    word, *texts = given.texts or [""]
    if not word:
        raise UserError('predict takes a run directory: python -m launch.endpoint predict RUN "…"')
    from imdb_cls.predict import Arguments, reviews
    from launch.aws.client import connect
    from launch.endpoints.invoke import label
    from launch.endpoints.record import target

    found = target(word, given.region)
    asked = reviews(Arguments(word, given.input, given.text, texts=texts))
    label(connect(found.region), found, asked, given.output)


def show_or_delete(command: str, given: OtherArguments) -> None:
    """status, delete and list."""
    if len(given.words) != (command != "list"):
        what = "nothing else" if command == "list" else "one run directory, or one endpoint's name"
        raise UserError(f"{command} takes {what}: python -m launch.endpoint --help")
    from launch.aws.client import connect
    from launch.endpoints import listing, remove
    from launch.endpoints.record import target

    if command == "list":
        return listing.show_all(connect(given.region), Screen())
    found = target(given.words[0], given.region)
    carry_out = listing.show if command == "status" else remove.of_target
    return carry_out(connect(found.region), found, Screen())


def serve(source: str, keys: list[str]) -> None:
    """Serves a run directory or a model.tar.gz on this machine."""
    from launch.serving.options import ServingOptions
    from launch.serving.server import command

    command(source, from_words(ServingOptions, keys))


def _run_and_keys(command: str, words: list[str]) -> tuple[str, list[str]]:
    paths, keys = split(words)
    if len(paths) != 1:
        raise UserError(
            f"{command} takes one run directory: python -m launch.endpoint {command} RUN"
        )
    return paths[0], keys


def main() -> None:
    carry_out(run, sys.argv[1:], USAGE)


if __name__ == "__main__":
    main()
