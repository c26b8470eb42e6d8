"""The knobs of a batch job: conf/batch.yaml, typed and checked."""

from dataclasses import dataclass

from imdb_cls import outputs
from imdb_cls.errors import UserError
from launch.hosting.options import Hosting, between, check_hosting, merged


@dataclass
class Options(Hosting):
    """conf/batch.yaml."""

    text: str = "text"
    output: str | None = None
    max_concurrency: int = 2
    max_seconds: int = 3600
    stop: bool = False

    @property
    def ceiling(self) -> float | None:
        """USD that the job can cost at most while somebody waits for it."""
        price = self.instance().price
        return None if price is None else price * self.count * self.max_seconds / 3600


def read(given: list[str]) -> Options:
    """conf/batch.yaml with the key=value words of a command.

    Raises:
        UserError: an unknown key, a wrong type, values that contradict each other.
    """
    options = merged(Options, "batch.yaml", given)
    check_hosting(options)
    between("max_concurrency", options.max_concurrency, 1, 100)
    between("max_seconds", options.max_seconds, 60, 28 * 86400)
    outputs.check(options.output)
    machine = options.instance()
    if options.volume_kms_key and machine.local_storage:
        raise UserError(
            f"volume_kms_key: {machine.name} has disks of its own, which AWS encrypts with its"
            " keys: leave it out"
        )
    for other in ("dry_run", "rehearse"):
        if options.stop and getattr(options, other):
            raise UserError(f"stop=true stops a job, {other}=true never has one: choose one")
    return options
