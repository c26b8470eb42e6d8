"""What a transform job will be: decided, priced, and shown before anything is sent."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.terminal import show_plan
from launch.aws.limits import Request
from launch.aws.store import Channel
from launch.batches import request, reviews
from launch.batches.options import BatchOptions
from launch.hosting.model import Model, pack


@dataclass(frozen=True)
class BatchPlan:
    options: BatchOptions
    model: Model
    reviews: Channel | None
    """The lines of requests, in files that are in their order; None: they lie in S3 already."""
    shown: str
    """Where the reviews are, and how many, as far as that is known."""
    requests: dict[str, Request]

    @property
    def name(self) -> str:
        """The job's, at its first attempt."""
        return str(self.requests["CreateTransformJob"]["TransformJobName"])

    @property
    def output(self) -> Path:
        """Where the predictions go."""
        given = self.options.output
        return Path(given).expanduser() if given else self.model.run.path / f"{self.name}.jsonl"

    def show(self, console: Console) -> None:
        options, instance = self.options, self.options.instance
        price, at_most = "unknown", "unknown: set price_per_hour"
        if (ceiling := options.cost(options.max_seconds)) is not None:
            price = f"${instance.price:.3f} an hour and instance ({instance.price_note})"
            at_most = f"${ceiling:.2f} ({options.max_seconds:,} s), while this command waits"
        facts = {
            "job": f"{self.name} in {self.model.account.region}",
            "run": str(self.model.run.path),
            "reviews": self.shown,
            "instance": f"{options.count} x {instance.name}",
            **self.model.facts(),
            "price": price,
            "at most": at_most,
            **self.model.account.facts(),
        }
        show_plan(console, facts)


def plan_batch(run: Run, source: str, options: BatchOptions, staging: Path) -> BatchPlan:
    """Makes the archive and the requests in the directory `staging`. `source` is a file of reviews,
    or an s3:// object or prefix of requests, one a line. Raises UserError for what a user can mend.
    """
    channel, shown = None, source
    if not source.startswith("s3://"):
        parts, texts = reviews.write(source, options.text, staging)
        channel, shown = Channel("requests", {p.name: p for p in parts}), f"{source}: {texts:,}"
        if options.count > len(parts):
            raise UserError(
                f"instance_count={options.count}: {texts:,} reviews are work for {len(parts)} at"
                " most: a machine takes a few thousand"
            )
    elif source.lower().endswith((".csv", ".parquet")):
        raise UserError(
            f"{source}: in S3, reviews are JSON lines of requests, as"
            ' {"inputs": "i liked the movie"}: bring the file here, and give it instead'
        )
    model = pack(run, options, staging, options.instance)
    uri = model.account.store.uri(channel) if channel else source
    return BatchPlan(options, model, channel, shown, request.build(options, model, uri))
