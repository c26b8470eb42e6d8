"""What lies in S3 below the prefix, of what it is, and what nothing needs any more."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from imdb_cls.errors import UserError
from imdb_cls.model import contents
from imdb_cls.runs.run import Run
from launch.aws.client import AWS, explained
from launch.aws.store import Store
from launch.training.follow import OVER
from launch.training.listing import jobs

# How many parts of a key name a thing: inputs/<channel>/<hash>, jobs/<name>.
_PARTS = {"inputs": 3, "jobs": 2, "endpoints": 2, "batch": 2}
# S3 takes so many keys in one request.
_AT_ONCE = 1000


@dataclass
class Thing:
    """What has a folder of its own below the prefix."""

    uri: str
    """Without a slash at its end."""
    kind: str
    """One of _PARTS, or something that is not from here."""
    keys: list[str]
    size: int
    changed: datetime
    kept: str = ""
    """Why it stays; empty: nothing needs it."""

    def row(self) -> dict[str, str]:
        return {
            "what": self.uri,
            "MB": f"{self.size / 1e6:.1f}",
            "last change": self.changed.astimezone().strftime("%Y-%m-%d %H:%M"),
            "": self.kept or "nothing needs it",
        }


def things(aws: AWS, store: Store, runs: Iterable[Path], days: int) -> list[Thing]:
    """All that lies below the prefix, the largest first.

    Args:
        runs: where the run directories of this machine are looked for.
        days: what is not older than that stays, unless it is of a run that is completed here.
    """
    found: dict[str, Thing] = {}
    prefix = f"{store.prefix}/" if store.prefix else ""
    with explained(f"looking at {store.folder()}"):
        for item in aws.listed(
            "s3", "list_objects_v2", "Contents", Bucket=store.bucket, Prefix=prefix
        ):
            parts = item["Key"].removeprefix(prefix).split("/")
            kind = parts[0]
            uri = store.folder(*parts[: _PARTS.get(kind, 1)])
            thing = found.setdefault(uri, Thing(uri, kind, [], 0, item["LastModified"]))
            thing.keys.append(item["Key"])
            thing.size += item["Size"]
            thing.changed = max(thing.changed, item["LastModified"])
    live, (ended, waiting) = list(_live(aws, store)), _of_runs(runs)
    since = datetime.now(UTC) - timedelta(days=days)
    for thing in found.values():
        thing.kept = _why_kept(thing, live, ended, waiting, since)
    return sorted(found.values(), key=lambda thing: -thing.size)


def delete(aws: AWS, store: Store, unneeded: list[Thing]) -> None:
    """Deletes things. Raises UserError if one is left, because the user may not delete it."""
    keys = [key for thing in unneeded for key in thing.keys]
    with explained("deleting", AccessDenied="deleting takes s3:DeleteObject on the prefix"):
        for start in range(0, len(keys), _AT_ONCE):
            some = {"Objects": [{"Key": key} for key in keys[start : start + _AT_ONCE]]}
            answer = aws.client("s3").delete_objects(Bucket=store.bucket, Delete=some)
            if errors := answer.get("Errors"):
                raise UserError(
                    f"{len(errors)} objects are left, {errors[0]['Key']} first:"
                    f" {errors[0].get('Message') or errors[0]['Code']}"
                )


def _why_kept(
    thing: Thing, live: list[str], ended: set[str], waiting: set[str], since: datetime
) -> str:
    if any(_overlap(thing.uri, uri) for uri in live):
        return "in use"
    if thing.kind not in _PARTS:
        return "not from here"
    if thing.kind == "jobs":
        if any(_overlap(thing.uri, uri) for uri in waiting):
            return "its run is not complete"
        if not any(_overlap(thing.uri, uri) for uri in ended):
            return "its run directory is not here"
        return ""
    return "changed lately" if thing.changed > since else ""


def _overlap(one: str, other: str) -> bool:
    """Whether one of two URIs lies in the other, or is it."""
    first, second = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return first.startswith(second) or second.startswith(first)


def _of_runs(places: Iterable[Path]) -> tuple[set[str], set[str]]:
    """The folders of the jobs whose run directories lie here: those of runs that are completed and
    whole, and those of others. Raises UserError for a damaged run.json: nobody knows what it needs.
    """
    ended: set[str] = set()
    waiting: set[str] = set()
    for place in places:
        for file in sorted(place.rglob("run.json")):
            run = Run(file.parent)
            info = run.info()
            folders = {uri for job in info.jobs for uri in (job.output, job.checkpoints) if uri}
            is_whole = info.status == "completed" and not contents.read(run).damage
            (ended if is_whole else waiting).update(folders)
    return ended, waiting


def _live(aws: AWS, store: Store) -> Iterator[str]:
    """What jobs that are at work read and write, and what endpoints serve and leave."""
    client = aws.client("sagemaker")
    for job in jobs(aws):
        if job["TrainingJobStatus"] not in OVER:
            yield from _uris(job)
            yield f"{job['OutputDataConfig']['S3OutputPath']}/{job['TrainingJobName']}"
    with explained("looking at what is in use"):
        for model in aws.listed("sagemaker", "list_models", "Models"):
            yield from _uris(client.describe_model(ModelName=model["ModelName"]))
        for endpoint in aws.listed("sagemaker", "list_endpoints", "Endpoints"):
            yield store.folder("endpoints", endpoint["EndpointName"])
        for job in aws.listed("sagemaker", "list_transform_jobs", "TransformJobSummaries"):
            if job["TransformJobStatus"] in ("InProgress", "Stopping"):
                name = job["TransformJobName"]
                yield from _uris(client.describe_transform_job(TransformJobName=name))


def _uris(description: Any) -> Iterator[str]:
    """The S3 URIs in a description, but for those of whole folders of results."""
    if isinstance(description, dict):
        for key, value in description.items():
            if key != "OutputDataConfig":
                yield from _uris(value)
    elif isinstance(description, list):
        for value in description:
            yield from _uris(value)
    elif isinstance(description, str) and description.startswith("s3://"):
        yield description
