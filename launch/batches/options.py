"""The knobs of a batch job: conf/batch.yaml, typed and checked."""

from dataclasses import dataclass

from imdb_cls import outputs
from imdb_cls.config import AwsConfig
from imdb_cls.config.checks import check_aws
from imdb_cls.config.knobs import between, check_value
from imdb_cls.errors import UserError
from launch.aws.instances import instance_of
from launch.hosting.options import merged


@dataclass
class Options(AwsConfig):
    """conf/batch.yaml."""

    text: str = "text"
    output: str | None = None
    max_concurrency: int = 2
    max_seconds: int = 3600
    stop: bool = False

    @property
    def ceiling(self) -> float | None:
        """USD that the job can cost at most while somebody waits for it."""
        price = instance_of(self).price
        return None if price is None else price * self.count * self.max_seconds / 3600


def read(given: list[str]) -> Options:
    """conf/batch.yaml with the key=value words of a command.

    Raises:
        UserError: an unknown key, a wrong type, values that contradict each other.
    """
    options = merged(Options, "batch.yaml", given)
    check_value("instance_count", options.instance_count, between(1, 1000))
    check_value("poll_seconds", options.poll_seconds, between(0.05, 600))
    check_value("max_concurrency", options.max_concurrency, between(1, 100))
    check_value("max_seconds", options.max_seconds, between(60, 28 * 86400))
    check_aws(options)
    outputs.check_output(options.output)
    instance_of(options)  # refused if there is no such instance
    for other in ("dry_run", "rehearse"):
        if options.stop and getattr(options, other):
            raise UserError(f"stop=true stops a job, {other}=true never has one: choose one")
    return options
