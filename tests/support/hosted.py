"""An account whose endpoints are asked for by the commands themselves, in the test's process."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.runs.run import Run
from launch.endpoints import names
from launch.hosting import archive
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.server import Answer, Server
from tests.support.called import Said, call
from tests.support.local_aws import BUCKET, REGION, ROLE

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/an-image:cpu-py312"
# Without the SDK's table of images, which takes a second to load.
ACCOUNT = (f"role={ROLE}", f"bucket={BUCKET}", f"image={IMAGE}", "poll_seconds=0.05")
_CHANGING = ("Create", "Update", "Delete", "AddTags")


class Killed(BaseException):
    """What nothing catches: as if the process were gone."""


@dataclass
class Account:
    """
    Args:
        run: a run directory of the test's own.
    """

    aws: LocalAWS
    run: Path
    asked: list[str] = field(default_factory=list)
    """The operations that were sent, in order."""
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What happens once an operation has been answered."""

    @property
    def name(self) -> str:
        return names.of_run(Run.open(self.run))

    def deploy(self, *words: str) -> Said:
        return self.endpoint("deploy", str(self.run), *ACCOUNT, *words)

    def endpoint(self, *words: str) -> Said:
        """What `python -m launch.endpoint …` says."""
        return call("launch.endpoint", *words)

    def batch(self, source: object, *words: str) -> Said:
        """What `python -m launch.batch RUN …` says."""
        return call("launch.batch", self.run, source, *ACCOUNT, *words)

    @property
    def changes(self) -> list[str]:
        """The operations among those that were sent that change something."""
        return [name for name in self.asked if name.startswith(_CHANGING)]

    def there(self) -> dict[str, list[str]]:
        """Names of all that SageMaker has."""
        found = self.aws.endpoints
        shelves = {"endpoints": found.endpoints, "configs": found.configs, "models": found.models}
        return {what: [one.name for one in shelf.all()] for what, shelf in shelves.items()}

    def request(self, what: str) -> dict[str, Any]:
        """That made the only one of the endpoints, configs or models."""
        (one,) = getattr(self.aws.endpoints, what).all()
        return dict(one.request)

    def whole(self) -> bool:
        """Whether there is one endpoint, in service, with its configuration and its model."""
        (found,) = self.aws.endpoints.endpoints.all()
        config, model = self.request("configs"), self.request("models")
        assert found.request["EndpointConfigName"] == config["EndpointConfigName"]
        assert config["ProductionVariants"][0]["ModelName"] == model["ModelName"]
        return found.status == "InService"

    def bounds(self) -> list[tuple[int, int]]:
        """Of autoscaling."""
        client = self.aws.client("application-autoscaling", REGION)
        found = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return [(target["MinCapacity"], target["MaxCapacity"]) for target in found]

    def record(self) -> dict[str, Any] | None:
        file = self.run / "endpoint.json"
        return dict(json.loads(file.read_text())) if file.exists() else None


def account_of(
    aws: LocalAWS,
    run: Path,
    tmp_path: Path,
    patch: pytest.MonkeyPatch,
) -> Account:
    """An account whose endpoints are in service at once, and answer nothing."""
    from botocore.client import BaseClient

    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    aws.endpoints.starter = None
    patch.setattr(archive, "_LEVEL", 0)  # nobody pays for these bytes
    account = Account(aws, tmp_path / "run")
    call = BaseClient._make_api_call

    def noted(client: Any, operation: str, request: dict[str, Any]) -> Any:
        ours = client.meta.config.retries.get("total_max_attempts") == 8  # not the local AWS's own
        if ours:
            account.asked.append(operation)
        answer = call(client, operation, request)
        if ours and operation in account.after:
            account.after.pop(operation)()
        return answer

    patch.setattr(BaseClient, "_make_api_call", noted)
    return account


class Shared:
    """A server that outlives the endpoints it answers for."""

    def __init__(self, archive: Path) -> None:
        self._server = Server(archive)

    def ask(self, body: bytes, content_type: str, accept: str) -> Answer:
        return self._server.ask(body, content_type, accept)

    def close(self) -> None:
        """Not yet."""

    def end(self) -> None:
        self._server.close()


def shared_server(run: Path, directory: Path) -> Iterator[Shared]:
    """The real server of a run's archive."""
    from launch.hosting.archive import build

    build(Run.open(run), directory / "model.tar.gz")
    server = Shared(directory / "model.tar.gz")
    yield server
    server.end()


def kill() -> None:
    raise Killed
