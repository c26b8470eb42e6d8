"""A transform job from its plan to its results; the same command goes on with the same job."""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from imdb_cls import outputs
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.terminal import Screen, as_table
from launch.aws import images, s3, waiting
from launch.aws.client import AWS, ConnectionLost, explained
from launch.aws.images import Image
from launch.aws.instances import instance_of
from launch.aws.store import Channel
from launch.batches import request, reviews
from launch.batches.options import Options
from launch.batches.reviews import Written
from launch.endpoints.names import Request
from launch.endpoints.remove import unless_gone
from launch.hosting.account import Account, account_for
from launch.hosting.archive import build

_ARCHIVE, _REVIEWS = "model.tar.gz", "reviews.jsonl"
_OVER = ("Completed", "Failed", "Stopped")
_LOG_GROUP = "/aws/sagemaker/TransformJobs"


@dataclass(frozen=True)
class Plan:
    run: Run
    source: str
    options: Options
    account: Account
    image: Image
    archive: Channel
    reviews: Channel | None
    """None: they lie in S3 already, as requests."""
    written: Written | None
    model: Request
    job: Request

    @property
    def name(self) -> str:
        return str(self.job["TransformJobName"])

    @property
    def output(self) -> Path:
        given = self.options.output
        return Path(given).expanduser() if given else self.run.path / f"{self.name}.jsonl"

    def show(self, console: Console) -> None:
        options, instance = self.options, instance_of(self.options)
        count = f": {self.written.texts:,}" if self.written else ""
        cost = "unknown: set price_per_hour"
        if options.ceiling is not None:
            cost = f"${options.ceiling:.2f} ({options.max_seconds:,} s), while this command waits"
        facts = {
            "job": f"{self.name} in {self.account.region}",
            "run": str(self.run.path),
            "reviews": self.source + count,
            "instance": f"{options.count} x {instance.name}",
            "image": f"{self.image.uri}\n{self.image.why}",
            "model": f"{_ARCHIVE}, {self.archive.size / 1e6:.1f} MB",
            "price": f"${instance.price:.3f} an hour and instance ({instance.price_note})"
            if instance.price is not None
            else "unknown",
            "at most": cost,
        }
        if options.rehearse:
            facts["rehearsal"] = "in a local AWS: nothing is paid"
        rows = [{"plan": name, "": value} for name, value in facts.items()]
        console.print(as_table(rows, "", boxed=console.is_terminal, right=False))


def prepare(run: Run, source: str, options: Options, staging: Path) -> Plan:
    """
    Args:
        source: a file of reviews, or an s3:// object or prefix of requests, one a line.
        staging: a directory for the archive and the requests.

    Raises:
        UserError: whatever a user can mend.
    """
    written, channel = None, None
    if not source.startswith("s3://"):
        (staging / _REVIEWS).parent.mkdir(exist_ok=True)
        written = reviews.write(source, options.text, staging / _REVIEWS)
        channel = Channel("requests", {_REVIEWS: staging / _REVIEWS})
        if options.count > 1:
            raise UserError(
                f"instance_count={options.count}: one file is one machine's work; more machines"
                " share the objects below an s3:// prefix"
            )
    elif source.lower().endswith((".csv", ".parquet")):
        raise UserError(
            f"{source}: in S3, reviews are JSON lines of requests, as"
            ' {"inputs": "i liked the movie"}: bring the file here, and give it instead'
        )
    account = account_for(run, options)
    image = images.for_inference(options.image, instance_of(options), account.region)
    packed = build(run, staging / _ARCHIVE, options.network_isolation)
    archive = Channel("model", {_ARCHIVE: packed.path})
    model, job = request.build(
        options,
        run,
        account,
        image.uri,
        archive=account.store.uri(archive) + _ARCHIVE,
        reviews=account.store.uri(channel) + _REVIEWS if channel else source,
    )
    return Plan(run, source, options, account, image, archive, channel, written, model, job)


def carry_out(plan: Plan, aws: AWS, screen: Screen) -> None:
    """Begins the job unless it was begun, waits for it, and fetches its results.

    Raises:
        UserError: AWS refuses, or the job did not complete.
    """
    name, there = _latest(plan, aws)
    if plan.options.stop:
        return _stop(aws, name, there, screen)
    if there is None or there["TransformJobStatus"] in ("Failed", "Stopped"):
        name = _begin(plan, aws, screen, name, again=there is not None)
    else:
        screen.say(f"{name} was begun already")
    if not plan.options.wait:
        return screen.say("submitted; the same command without wait=false fetches the results")
    there = _wait(plan, aws, screen, name)
    unless_gone(aws.client("sagemaker").delete_model, ModelName=there["ModelName"])
    if there["TransformJobStatus"] != "Completed":
        said = there.get("FailureReason") or f"it was {there['TransformJobStatus'].lower()}"
        raise UserError(
            f"{name}: {said}; its log: aws logs tail {_LOG_GROUP} --log-stream-name-prefix {name}"
        )
    screen.say(f"{request.seconds(there):.0f} s billed{_paid(plan, there)}")
    return _fetch(plan, aws, screen, name)


def _latest(plan: Plan, aws: AWS) -> tuple[str, dict[str, Any] | None]:
    """The last attempt at this very job: its name, and how it stands; None: there is none yet."""
    with explained("looking for the job"):
        client = aws.client("sagemaker")
        pages = client.get_paginator("list_transform_jobs").paginate(NameContains=plan.name)
        found = [job for page in pages for job in page["TransformJobSummaries"]]
        if not found:
            return plan.name, None
        last = max(found, key=lambda job: (job["CreationTime"], len(job["TransformJobName"])))
        name = last["TransformJobName"]
        return name, dict(client.describe_transform_job(TransformJobName=name))


def _begin(plan: Plan, aws: AWS, screen: Screen, last: str, again: bool) -> str:
    """Uploads what is missing and sends the requests. Gives the job's name: a name is a job's for
    ever, so a further attempt has another."""
    name = plan.name
    if again:
        number = int(last.removeprefix(plan.name).lstrip("-") or 1) + 1
        name = f"{plan.name}-{number}"
    store = plan.account.store
    for channel in filter(None, (plan.archive, plan.reviews)):
        if uploaded := store.put(channel):
            screen.say(f"uploaded {', '.join(uploaded)} to s3://{store.bucket}")
    client = aws.client("sagemaker")
    unless_gone(client.delete_model, ModelName=plan.model["ModelName"])
    with explained("creating the model"):
        client.create_model(**plan.model)
    quota = "ask for a higher quota, or take another instance_type"
    try:
        with explained("submitting the job", ResourceLimitExceeded=quota):
            client.create_transform_job(**{**plan.job, "TransformJobName": name})
    except ConnectionLost:
        raise  # it may have been made
    except UserError:
        unless_gone(client.delete_model, ModelName=plan.model["ModelName"])
        raise
    leaves = "ends the rehearsal" if plan.options.rehearse else "leaves it running"
    screen.say(f"submitted {name}; Ctrl-C {leaves}")
    return name


def _wait(plan: Plan, aws: AWS, screen: Screen, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        with explained(f"looking at {name}"):
            client = aws.client("sagemaker")
            there = dict(client.describe_transform_job(TransformJobName=name))
            over = request.seconds(there) > plan.options.max_seconds
            if over and there["TransformJobStatus"] == "InProgress":
                screen.say(f"max_seconds={plan.options.max_seconds} are over: stopping {name}")
                client.stop_transform_job(TransformJobName=name)
            return there

    try:
        return waiting.watch(
            look,
            lambda there: there["TransformJobStatus"] in _OVER,
            lambda there: f"{name}: {there['TransformJobStatus']}",
            screen.console,
            plan.options.poll_seconds,
        )
    except KeyboardInterrupt:
        if not plan.options.rehearse:
            screen.say(f"{name} goes on: the same command goes on waiting, with stop=true it stops")
        sys.exit(130)


def _stop(aws: AWS, name: str, there: dict[str, Any] | None, screen: Screen) -> None:
    if there is None or there["TransformJobStatus"] != "InProgress":
        how = there["TransformJobStatus"] if there else "there is no such job"
        raise UserError(f"stop=true: {name} is not running ({how})")
    with explained(f"stopping {name}"):
        aws.client("sagemaker").stop_transform_job(TransformJobName=name)
    screen.say(f"{name} is being stopped")


def _paid(plan: Plan, there: dict[str, Any]) -> str:
    price = instance_of(plan.options).price
    if price is None or plan.options.rehearse:
        return ""
    return f", ${request.seconds(there) / 3600 * price * plan.options.count:.2f}"


def _fetch(plan: Plan, aws: AWS, screen: Screen, name: str) -> None:
    """The answers, in the order of the reviews."""
    uri = plan.job["TransformOutput"]["S3OutputPath"]
    if plan.reviews is None and plan.options.output is None:
        return screen.say(f"its answers: {uri}")
    with tempfile.TemporaryDirectory(prefix="imdb_cls-") as directory:
        with explained(f"fetching {uri}"):
            s3.download_tree(aws.client("s3"), uri, Path(directory))
        lines = _lines(Path(directory))
        if plan.reviews:
            asked = reviews.texts_of(plan.reviews.files[_REVIEWS])
            found = reviews.joined(asked, lines, name)
        else:
            found = reviews.alone(lines, name)
        with outputs.opened(str(plan.output)) as write:
            for predictions in found:
                write(predictions)
    return screen.say(f"written to {plan.output}")


def _lines(directory: Path) -> Iterator[str]:
    for path in sorted(directory.rglob("*.out")):
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
