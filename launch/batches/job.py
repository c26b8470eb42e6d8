"""A transform job from its plan to its results; the same command goes on with the same job."""

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from imdb_cls import outputs
from imdb_cls.errors import UserError
from imdb_cls.terminal import Screen
from launch.aws import s3, waiting
from launch.aws.client import AWS, explained, unless_gone
from launch.aws.creating import Unsettled, create, create_unless_there
from launch.aws.store import Channel
from launch.batches import reviews
from launch.batches.listing import billed_seconds
from launch.batches.plan import BatchPlan

_LOG_GROUP = "/aws/sagemaker/TransformJobs"
_FAILED = ("Failed", "Stopped")
_OVER = ("Completed", *_FAILED)
_NAMED = 3


def carry_out(plan: BatchPlan, screen: Screen) -> None:
    """Begins the job unless it was begun, waits for it, and fetches its results. Raises UserError
    if AWS refuses, or the job did not complete."""
    aws = plan.model.account.client
    there = _latest(plan, aws)
    if plan.options.stop:
        return _stop(plan, aws, there, screen)
    status = there["TransformJobStatus"] if there else None
    left = _unanswered(plan, aws, screen) if status in _OVER else plan.reviews
    is_unfinished = bool(left.files) if left else status != "Completed"
    if there is None or (status in _OVER and is_unfinished):
        name = _begin(plan, aws, screen, left, there)
    elif status in _FAILED:  # after its last answer
        _delete_model(aws, there["ModelName"])
        return _fetch(plan, aws, screen, there["TransformJobName"])
    else:
        name = there["TransformJobName"]
        screen.say(f"{name} was begun already")
    if not plan.options.wait:
        return screen.say("submitted; the same command without wait=false fetches the results")
    there = _wait(plan, aws, screen, name)
    _delete_model(aws, there["ModelName"])
    if there["TransformJobStatus"] != "Completed":
        said = there.get("FailureReason") or f"it was {there['TransformJobStatus'].lower()}"
        raise UserError(
            f"{name}: {said}; its log: aws logs tail {_LOG_GROUP} --log-stream-name-prefix {name}"
        )
    seconds = billed_seconds(there)
    cost = None if plan.model.account.rehearsal else plan.options.cost(seconds)
    paid = "" if cost is None else f", ${cost:.2f}"
    screen.say(f"{seconds:.0f} s billed{paid}")
    return _fetch(plan, aws, screen, name)


def _latest(plan: BatchPlan, aws: AWS) -> dict[str, Any] | None:
    """The last attempt at this very job; None: there was none yet."""
    with explained("looking for the job"):
        found = aws.listed(
            "sagemaker", "list_transform_jobs", "TransformJobSummaries", NameContains=plan.name
        )
        ours = re.compile(rf"{plan.name}(-\d+)?")
        found = [job for job in found if ours.fullmatch(job["TransformJobName"])]
        if not found:
            return None
        last = max(found, key=lambda job: (job["CreationTime"], len(job["TransformJobName"])))
        describe = aws.client("sagemaker").describe_transform_job
        return dict(describe(TransformJobName=last["TransformJobName"]))


def _unanswered(plan: BatchPlan, aws: AWS, screen: Screen) -> Channel | None:
    """The files of requests that no attempt has answered whole; None: they are not ours."""
    if plan.reviews is None:
        return None
    with _answers(plan, aws) as there:
        files = plan.reviews.files
        left = {n: path for n, path in files.items() if not reviews.answer_to(path, there)}
    if len(left) < len(files):
        screen.say(f"{len(files) - len(left)} of {len(files)} files are answered already")
    return Channel(plan.reviews.name, left)


def _begin(
    plan: BatchPlan, aws: AWS, screen: Screen, asked: Channel | None, last: dict[str, Any] | None
) -> str:
    """Uploads what is missing and sends the requests. `asked` are the files of requests, None if
    they lie in S3 already; `last` is the attempt before this one. Returns the job's name: AWS never
    gives a name to a second job, so that a further attempt has a number."""
    name, job = plan.name, plan.requests["CreateTransformJob"]
    if last:
        number = int(last["TransformJobName"].removeprefix(name).lstrip("-") or 1) + 1
        name = f"{name}-{number}"
    store, client = plan.model.account.store, aws.client("sagemaker")
    for channel in filter(None, (plan.model.archive, asked)):
        if uploaded := store.put(channel):
            what = ", ".join(uploaded) if len(uploaded) <= _NAMED else f"{len(uploaded)} files"
            screen.say(f"uploaded {what} to s3://{store.bucket}")
    model = plan.requests["CreateModel"]
    _delete_model(aws, model["ModelName"])
    with explained("creating the model"):
        create_unless_there(client.create_model, model)
    if asked:
        place = {"S3DataType": "S3Prefix", "S3Uri": store.uri(asked)}
        # A machine without a file would be billed for nothing.
        count = min(plan.options.count, len(asked.files))
        job = {
            **job,
            "TransformInput": {**job["TransformInput"], "DataSource": {"S3DataSource": place}},
            "TransformResources": {**job["TransformResources"], "InstanceCount": count},
        }
    request = {**job, "TransformJobName": name}
    is_there = partial(unless_gone, client.describe_transform_job, TransformJobName=name)
    try:
        create(aws, "CreateTransformJob", request, is_there, "submitting the job")
    except Unsettled as error:
        # It needs its model.
        raise error.advising(
            "it may have been made, and is billed then: the same command finds it, with stop=true"
            " it stops it"
        ) from None
    except UserError:
        _delete_model(aws, model["ModelName"])
        raise
    screen.say(f"submitted {name}; {plan.model.account.submitted}")
    return name


def _delete_model(aws: AWS, name: str) -> None:
    with explained(f"deleting {name}"):
        unless_gone(aws.client("sagemaker").delete_model, ModelName=name)


def _wait(plan: BatchPlan, aws: AWS, screen: Screen, name: str) -> dict[str, Any]:
    """The job when it is over. It is stopped after max_seconds, for which SageMaker has no limit of
    its own."""
    client = aws.client("sagemaker")

    def look() -> dict[str, Any]:
        with explained(f"looking at {name}"):
            there = dict(client.describe_transform_job(TransformJobName=name))
            is_late = billed_seconds(there) > plan.options.max_seconds
            if is_late and there["TransformJobStatus"] == "InProgress":
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
        if not plan.model.account.rehearsal:
            screen.say(f"{name} goes on: the same command goes on waiting, with stop=true it stops")
        sys.exit(130)


def _stop(plan: BatchPlan, aws: AWS, there: dict[str, Any] | None, screen: Screen) -> None:
    name = there["TransformJobName"] if there else plan.name
    if there is None or there["TransformJobStatus"] != "InProgress":
        how = there["TransformJobStatus"] if there else "there is no such job"
        raise UserError(f"stop=true: {name} is not running ({how})")
    client = aws.client("sagemaker")
    with explained(f"stopping {name}"):
        try:
            client.stop_transform_job(TransformJobName=name)
        except ClientError:
            # The answer to an earlier attempt may have been lost.
            there = client.describe_transform_job(TransformJobName=name)
            if there["TransformJobStatus"] not in ("Stopping", "Stopped"):
                raise
    screen.say(f"{name} is being stopped")


def _fetch(plan: BatchPlan, aws: AWS, screen: Screen, name: str) -> None:
    """Writes the predictions, in the order of the reviews."""
    if plan.reviews is None and plan.options.output is None:
        return screen.say(f"its answers: {_answers_uri(plan)}")
    with _answers(plan, aws) as there:
        asked = list(plan.reviews.files.values()) if plan.reviews else None
        with outputs.opened(str(plan.output)) as write:
            for predictions in reviews.predictions(asked, there, name):
                write(predictions)
    return screen.say(f"written to {plan.output}")


@contextlib.contextmanager
def _answers(plan: BatchPlan, aws: AWS) -> Iterator[list[Path]]:
    """The files of answers of all attempts, fetched."""
    with tempfile.TemporaryDirectory(prefix="imdb_cls-") as directory:
        with explained(f"fetching {_answers_uri(plan)}"):
            s3.download_tree(aws.client("s3"), _answers_uri(plan), Path(directory))
        yield sorted(Path(directory).rglob("*.out"))


def _answers_uri(plan: BatchPlan) -> str:
    return str(plan.requests["CreateTransformJob"]["TransformOutput"]["S3OutputPath"])
