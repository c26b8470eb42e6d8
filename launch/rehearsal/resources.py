"""Things of SageMaker's that are made, described, listed, tagged and deleted: all in one way."""

import re
import time
from dataclasses import dataclass, field
from typing import Any

from imdb_cls.errors import UserError
from launch.aws.limits import check
from launch.rehearsal.refused import Refused

_ACCOUNT = "123456789012"
Request = dict[str, Any]


@dataclass
class Resource:
    name: str
    arn: str
    request: Request
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    status: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Kind:
    """As Endpoint, EndpointConfig, Model, TransformJob."""

    title: str
    slug: str
    """In an ARN."""
    spoken: str
    """In an error."""

    @property
    def key(self) -> str:
        return f"{self.title}Name"


class ResourceStore:
    """All resources of one kind, in all regions."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._kept: dict[tuple[str, str], Resource] = {}

    def all(self) -> list[Resource]:
        return list(self._kept.values())

    def make(self, request: Request, region: str) -> Resource:
        """Checks the request as AWS declares it, and keeps it."""
        kind = self.kind
        try:
            check(request, f"Create{kind.title}")
        except UserError as error:
            raise Refused("ValidationException", str(error)) from None
        name = request[kind.key]
        arn = f"arn:aws:sagemaker:{region}:{_ACCOUNT}:{kind.slug}/{name.lower()}"
        if (region, name) in self._kept:
            raise Refused(
                "ValidationException", f'Cannot create already existing {kind.spoken} "{arn}".'
            )
        made = self._kept[region, name] = Resource(name, arn, request)
        return made

    def get(self, name: str, region: str) -> Resource:
        if (region, name) not in self._kept:
            arn = f"arn:aws:sagemaker:{region}:{_ACCOUNT}:{self.kind.slug}/{name.lower()}"
            raise Refused("ValidationException", f'Could not find {self.kind.spoken} "{arn}".')
        return self._kept[region, name]

    def drop(self, name: str, region: str) -> Resource:
        found = self.get(name, region)
        del self._kept[region, name]
        return found

    def describe(self, found: Resource) -> dict[str, Any]:
        """With times in seconds since 1970."""
        title = self.kind.title
        answer: dict[str, Any] = {
            **{key: value for key, value in found.request.items() if key != "Tags"},
            f"{title}Arn": found.arn,
            "CreationTime": found.created,
        }
        if found.status:
            answer |= {f"{title}Status": found.status, "LastModifiedTime": found.modified}
        if found.reason:
            answer["FailureReason"] = found.reason[:1024]
        return answer

    def list(self, request: Request, region: str, key: str) -> dict[str, Any]:
        """A page of summaries under `key`, as many as asked for."""
        begin, size = int(request.get("NextToken", 0)), request.get("MaxResults", 10)
        found = [
            resource
            for (where, name), resource in self._kept.items()
            if where == region and request.get("NameContains", "") in name
        ]
        found.sort(
            key=lambda resource: resource.created,
            reverse=request.get("SortOrder", "Descending") == "Descending",
        )
        title = self.kind.title
        wanted = (self.kind.key, f"{title}Arn", f"{title}Status", "CreationTime", "FailureReason")
        page = [self.describe(resource) for resource in found[begin : begin + size]]
        answer: dict[str, Any] = {
            key: [{k: one[k] for k in wanted if k in one} for one in page],
        }
        if begin + size < len(found):
            answer["NextToken"] = str(begin + size)
        return answer


def with_arn(stores: list[ResourceStore], arn: str) -> Resource:
    """The resource that an ARN is of."""
    for store in stores:
        for found in store.all():
            if found.arn == arn:
                return found
    slug = re.sub(r".*:", "", arn)
    raise Refused("ValidationException", f"Could not find {slug}")
