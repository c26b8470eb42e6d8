"""What SageMaker makes, describes, lists and deletes: jobs, models, endpoints, all in one way."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from imdb_cls.errors import UserError
from launch.aws.limits import check_request
from launch.rehearsal.account import ACCOUNT_ID, Refused

Request = dict[str, Any]
Operation = Callable[[Request, str], Request]
"""Answers a request in a region."""


@dataclass(frozen=True)
class Kind:
    """What SageMaker calls one kind of resource: in its operations (CreateTrainingJob), in an ARN,
    in an error, in the answer to a list operation."""

    title: str
    slug: str
    spoken: str
    summaries: str
    missing: str = 'Could not find {spoken} "{arn}".'

    def arn(self, name: str, region: str) -> str:
        return f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{self.slug}/{name.lower()}"


@dataclass
class Resource:
    kind: ClassVar[Kind]
    request: Request
    """What it was made with."""
    region: str
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    status: str | None = None
    reason: str | None = None
    """Why it failed."""

    @property
    def name(self) -> str:
        return str(self.request[f"{self.kind.title}Name"])

    @property
    def arn(self) -> str:
        return self.kind.arn(self.name, self.region)

    @property
    def over(self) -> bool:
        return self.status in ("Completed", "Failed", "Stopped")

    def taken(self) -> Refused:
        """The answer to a request for another one of the same name."""
        return Refused(f'Cannot create already existing {self.kind.spoken} "{self.arn}".')

    def not_stoppable(self) -> Refused:
        """The answer to a request to stop it."""
        return Refused(
            f"The request was rejected because the {self.kind.spoken} is in status {self.status}."
        )

    def describe(self) -> Request:
        """The answer to a describe operation, with times in seconds since 1970."""
        answer: Request = {
            **{key: value for key, value in self.request.items() if key != "Tags"},
            f"{self.kind.title}Arn": self.arn,
            "CreationTime": self.created,
        }
        if self.status:
            answer |= {f"{self.kind.title}Status": self.status, "LastModifiedTime": self.modified}
        if self.reason:
            answer["FailureReason"] = self.reason[:1024]
        return answer


R = TypeVar("R", bound=Resource)


class ResourceStore(Generic[R]):
    """All resources of one kind, in all regions."""

    def __init__(self, resource: type[R]) -> None:
        self.resource, self.kind = resource, resource.kind
        self._kept: dict[tuple[str, str], R] = {}
        self.operations: dict[str, Operation] = {
            f"Describe{self.kind.title}": lambda r, region: self.named(r, region).describe(),
            f"List{self.kind.title}s": self._list,
        }

    def all(self) -> list[R]:
        return list(self._kept.values())

    def make(self, request: Request, region: str) -> R:
        """Checks the request as AWS declares it, and keeps what it asks for."""
        try:
            check_request(request, f"Create{self.kind.title}")
        except UserError as error:
            raise Refused(str(error)) from None
        made = self.resource(request, region)
        if (region, made.name) in self._kept:
            raise made.taken()
        self._kept[region, made.name] = made
        return made

    def get(self, name: str, region: str) -> R:
        if (region, name) not in self._kept:
            words = {"spoken": self.kind.spoken, "arn": self.kind.arn(name, region)}
            raise Refused(self.kind.missing.format(**words))
        return self._kept[region, name]

    def named(self, request: Request, region: str) -> R:
        """The one whose name stands in the request."""
        return self.get(request.get(f"{self.kind.title}Name", ""), region)

    def delete(self, request: Request, region: str) -> Request:
        del self._kept[region, self.named(request, region).name]
        return {}

    def _list(self, request: Request, region: str) -> Request:
        """A page of descriptions, from each of which a client reads what a summary has."""
        part, begin = request.get("NameContains", ""), int(request.get("NextToken", 0))
        found = [made for made in self.all() if made.region == region and part in made.name]
        descending = request.get("SortOrder", "Descending") == "Descending"
        found.sort(key=lambda made: made.created, reverse=descending)
        end = begin + request.get("MaxResults", 10)
        answer: Request = {self.kind.summaries: [made.describe() for made in found[begin:end]]}
        if end < len(found):
            answer["NextToken"] = str(end)
        return answer
