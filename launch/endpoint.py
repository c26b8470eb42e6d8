"""A run's model as an endpoint: python -m launch.endpoint deploy | predict | status | delete …"""

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from imdb_cls import cli
from imdb_cls.errors import UserError, nearest

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
{serve}
  status, predict, delete, list
    region=NAME      (that of the record in the run directory, or the profile's)

RUN is a run directory; predict, status and delete take the name of an endpoint too.
"""

COMMANDS = ("deploy", "predict", "status", "delete", "list", "serve")


@dataclass
class Look:
    """What status, delete and list can be told."""

    region: str | None = None
    words: list[str] = field(default_factory=list)


@dataclass
class Ask:
    """What predict can be told."""

    input: str | None = None
    text: str = "text"
    output: str | None = None
    region: str | None = None
    texts: list[str] = field(default_factory=list)


def run(words: list[str]) -> None:
    """Raises UserError for whatever a user can mend."""
    command, *rest = words or [""]
    if command not in COMMANDS:
        raise UserError(
            f"unknown command '{command}': allowed are {', '.join(COMMANDS)}."
            f"{nearest(command, COMMANDS)}"
        )
    if command == "deploy":
        deploy(rest)
    elif command == "predict":
        predict(rest)
    elif command == "serve":
        serve(rest)
    else:
        look(command, cli.arguments(Look, rest, USAGE, free="words"))


def deploy(words: list[str]) -> None:
    """The plan, and unless it is a dry run the endpoint."""
    from imdb_cls.runs.run import Run
    from imdb_cls.storage import write_json
    from imdb_cls.terminal import Screen
    from launch.aws.client import connect
    from launch.endpoints import options, plan
    from launch.endpoints.deploy import deploy

    path, given = _run_and_keys("deploy", words)
    chosen = options.read(given)
    found, screen = Run.open(path, complete=True), Screen()
    if chosen.rehearse:
        from launch.endpoints.rehearse import rehearse

        return rehearse(found, chosen, given, screen)
    with tempfile.TemporaryDirectory(prefix="imdb_cls-") as staging:
        planned = plan.prepare(found, chosen, Path(staging))
        planned.show(screen.console)
        if chosen.dry_run:
            file = found.path / "endpoint-requests.json"
            write_json(file, planned.requests.as_json())
            return screen.say(f"dry run: nothing was sent; the requests are in {file}")
        deploy(planned, planned.account.aws or connect(chosen.region), screen)
    if chosen.wait:
        screen.say(f'python -m launch.endpoint predict {path} "i liked the movie"')
        screen.say(f"It is billed until: python -m launch.endpoint delete {path}")
    return None


def predict(words: list[str]) -> None:
    """Labels of an endpoint, in the form that imdb_cls.predict gives them."""
    given = cli.arguments(Ask, words, USAGE, free="texts")
    word, *given.texts = given.texts or [""]
    if not word:
        raise UserError('predict takes a run directory: python -m launch.endpoint predict RUN "…"')
    from imdb_cls import outputs
    from imdb_cls.predict import Arguments, reviews
    from launch.aws.client import connect
    from launch.endpoints.invoke import label
    from launch.endpoints.record import target

    outputs.check_output(given.output)
    found = target(word, given.region)
    texts = reviews(Arguments(word, given.input, given.text, texts=given.texts))
    label(connect(found.region), found, texts, given.output)


def look(command: str, given: Look) -> None:
    """status, delete and list."""
    from imdb_cls.terminal import Screen
    from launch.aws.client import connect
    from launch.endpoints import listing, record, remove

    screen = Screen()
    if command == "list" and not given.words:
        return listing.show_all(connect(given.region), screen)
    if command == "list" or len(given.words) != 1:
        what = "nothing else" if command == "list" else "one run directory, or one endpoint's name"
        raise UserError(f"{command} takes {what}: python -m launch.endpoint --help")
    found = record.target(given.words[0], given.region)
    aws = connect(found.region)
    if command == "status":
        return listing.show(aws, found, screen)
    gone = remove.everything(aws, found.name, screen, poll_seconds=2.0)
    if found.run:
        record.forget(found.run)
    said = "is deleted" if gone else "is not there: nothing to delete"
    return screen.say(f"{found.name} {said}, in {aws.region}")


def serve(words: list[str]) -> None:
    """A server on this machine."""
    from launch.hosting.options import merged
    from launch.serving.options import Options, check
    from launch.serving.server import command

    path, given = _run_and_keys("serve", words)
    options = merged(Options, None, given)
    check(options)
    command(path, options)


def _run_and_keys(command: str, words: Iterable[str]) -> tuple[str, list[str]]:
    """Of the words of a command, its run directory and its key=value words."""
    words = list(words)
    keys = [word for word in words if "=" in word and not Path(word).exists()]
    runs = [word for word in words if word not in keys]
    if len(runs) != 1:
        raise UserError(
            f"{command} takes one run directory: python -m launch.endpoint {command} RUN"
        )
    return runs[0], keys


def main() -> None:
    words = sys.argv[1:]
    with cli.one_line_errors():
        ours = words[: words.index("--")] if "--" in words else words
        if any(word in ("-h", "--help") for word in ours):
            from launch.serving.options import USAGE as SERVE

            print(USAGE.format(serve="  " + SERVE.strip("\n").replace("\n", "\n  ")).strip())
            return
        from launch.aws.client import ConnectionLost

        try:
            run(words)
        except ConnectionLost as error:
            raise UserError(f"{error}; the same command goes on from there") from None


if __name__ == "__main__":
    main()
