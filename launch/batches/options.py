"""The keys of conf/batch.yaml, typed and checked."""

from dataclasses import dataclass

from imdb_cls import outputs
from imdb_cls.config import AwsConfig
from imdb_cls.config.checks import check_aws
from imdb_cls.config.knobs import between, knob
from imdb_cls.errors import UserError
from launch.aws.instances import Instance, instance_of
from launch.hosting.options import from_words


@dataclass
class BatchOptions(AwsConfig):
    text: str = "text"
    output: str | None = None
    instance_count: int | None = knob(None, between(1, 1000))
    poll_seconds: float = knob(5.0, between(0.05, 600))
    max_concurrency: int = knob(2, between(1, 100))
    max_seconds: int = knob(3600, between(60, 28 * 86400))
    stop: bool = False

    @property
    def instance(self) -> Instance:
        return instance_of(self)

    def cost(self, seconds: float) -> float | None:
        """USD for so many seconds of all instances; None: their price is not known."""
        price = self.instance.price
        return None if price is None else price * self.count * seconds / 3600


def read(given: list[str]) -> BatchOptions:
    """conf/batch.yaml with the key=value words of a command. Raises UserError for an unknown key, a
    wrong type, and values that contradict each other."""
    options = from_words(BatchOptions, given, "batch.yaml")
    check_aws(options)
    outputs.check_output(options.output)
    instance_of(options)
    for other in ("dry_run", "rehearse"):
        if options.stop and getattr(options, other):
            raise UserError(f"stop=true stops a job, {other}=true never has one: choose one")
    return options
