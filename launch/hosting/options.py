"""The knobs that an endpoint and a batch job share, and how any of them is given."""

import functools
import math
import re
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls.config import CONF_DIR, BackendConfig
from imdb_cls.errors import UserError, nearest, one_line
from launch.aws.instances import Instance, find

T = TypeVar("T")

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
# As OmegaConf has them.
_KINDS = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}


@dataclass
class Hosting:
    """What an endpoint and a batch job have in common."""

    role: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    region: str | None = None
    instance_type: str | None = None
    instance_count: int | None = None
    price_per_hour: float | None = None
    image: str = "auto"
    network_isolation: bool = False
    subnets: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    volume_kms_key: str | None = None
    output_kms_key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    wait: bool = True
    poll_seconds: float = 5.0
    dry_run: bool = False
    rehearse: bool = False

    def instance(self) -> Instance:
        """
        Raises:
            UserError: conf/instances.yaml does not know it, and neither its price nor its image is
                given.
        """
        return _instance(self.instance_type or "ml.m5.xlarge", self.price_per_hour, self.image)

    @property
    def count(self) -> int:
        return self.instance_count or 1


@functools.cache
def _instance(name: str, price: float | None, image: str) -> Instance:
    return find(BackendConfig(instance_type=name, price_per_hour=price, image=image))


def merged(schema: type[T], file: str | None, given: list[str]) -> T:
    """A dataclass of knobs: its defaults, a file of conf/ over them, and the key=value words of a
    command over that; its values not compared with each other yet.

    Raises:
        UserError: an unknown key, a value of the wrong type.
    """
    known = [item.name for item in fields(cast(Any, schema))]
    for word in given:
        key, _, value = word.partition("=")
        if key.partition(".")[0] not in known:
            where = f": conf/{file} has" if file else ": allowed are"
            raise UserError(f"unknown key '{key}'{where} {', '.join(known)}.{nearest(key, known)}")
        if not value:
            raise UserError(f"{key}= has no value")
    try:
        base = OmegaConf.structured(schema)
        if file:
            base = OmegaConf.merge(base, OmegaConf.load(CONF_DIR / file))
        for word in given:
            base = OmegaConf.merge(base, OmegaConf.from_dotlist([word]))
        OmegaConf.resolve(base)
        return cast(T, OmegaConf.to_object(base))
    except OmegaConfBaseException as error:
        raise UserError(_explained(error)) from None


def _explained(error: OmegaConfBaseException) -> str:
    said, key = one_line(error).split(" full_key:")[0], error.full_key or "a key"
    wanted = re.search(r"Value '(.*?)' .*could not be converted to (\w+)", said)
    wanted = wanted or re.search(r"Value '(.*?)' is not a valid (\w+)", said)
    return f"{key}={wanted[1]} is not {_KINDS.get(wanted[2], wanted[2])}" if wanted else said


def check_hosting(options: Hosting) -> None:
    """What holds for an endpoint and for a batch job."""
    between("instance_count", options.instance_count, 1, 1000)
    between("poll_seconds", options.poll_seconds, 0.05, 600)
    price = options.price_per_hour
    if price is not None and not (math.isfinite(price) and price > 0):
        raise UserError(f"price_per_hour={price} must be a number above 0")
    if options.bucket and not re.fullmatch(_BUCKET, options.bucket):
        raise UserError(
            f"bucket={options.bucket} is not the name of a bucket: 3 to 63 small letters, digits,"
            " dots and hyphens, without s3://"
        )
    if bool(options.subnets) != bool(options.security_groups):
        raise UserError("subnets and security_groups: a VPC needs both")
    if options.dry_run and options.rehearse:
        raise UserError(
            "dry_run=true sends nothing, rehearse=true sends it to a local AWS: choose one"
        )
    if options.rehearse and not options.wait:
        raise UserError("wait=false: a rehearsal ends with its command")


def in_our_words(error: UserError) -> UserError:
    """What is said of a training job's knobs holds for those of the same names here, which stand
    without `backend.`."""
    said = str(error).replace("backend.", "").replace("docs/sagemaker.md", "docs/serving.md")
    return UserError(said)


def between(key: str, value: float | None, low: float, high: float) -> None:
    """Raises UserError for a number outside; None is no number."""
    if value is not None and not low <= value <= high:
        raise UserError(f"{key}={value:g} must lie between {low:g} and {high:g}")
