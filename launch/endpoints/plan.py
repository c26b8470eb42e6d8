"""What a deployment will be: decided, priced, and shown before anything is sent."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from imdb_cls.runs.run import Run
from imdb_cls.terminal import as_table
from launch.aws import images
from launch.aws.images import Image
from launch.aws.store import Channel
from launch.endpoints import names, prices, request
from launch.endpoints.options import Options
from launch.endpoints.request import Requests
from launch.hosting.account import Account, account_for
from launch.hosting.archive import Archive, build

_ARCHIVE = "model.tar.gz"


@dataclass(frozen=True)
class Plan:
    endpoint: str
    run: Run
    options: Options
    account: Account
    image: Image
    archive: Archive
    channel: Channel
    """The archive, under the hash of its content: nothing is sent twice."""
    present: bool | None
    """Whether it is in S3 already; None: not asked."""
    requests: Requests

    @property
    def warnings(self) -> list[str]:
        """What a user should know before paying."""
        found = []
        if not self.options.role:
            found.append("role is not set: a placeholder stands in the requests")
        if self.options.data_capture:
            found.append("data_capture=true keeps your users' texts in S3, until you delete them")
        if self.options.network_isolation and self.options.image == "auto":
            found.append(
                "network_isolation=true: the container cannot install onnxruntime, so it answers"
                " with torch, and slower"
            )
        if (instance := self.options.instance) and instance.retiring:
            found.append(f"{instance.name}: AWS is retiring the family")
        return found

    def rows(self) -> list[dict[str, str]]:
        """The table, a row a fact."""
        there = {True: "in S3 already", False: "to upload", None: "S3 was not asked"}
        options = self.options
        facts = {
            "endpoint": f"{self.endpoint} in {self.account.region}",
            "run": str(self.run.path),
            **self._capacity(),
            "image": f"{self.image.uri}\n{self.image.why}",
            "model": f"{_ARCHIVE}, {self.archive.size / 1e6:.1f} MB, {there[self.present]}",
        }
        if options.data_capture:
            facts["captured"] = (
                f"{options.capture_percent or 100} % of requests and answers, below"
                f" {self.account.store.folder('endpoints', self.endpoint, 'captured')}"
            )
        facts["price"] = prices.line(options)
        if options.rehearse:
            facts["rehearsal"] = "in a local AWS: nothing is paid"
        return [{"plan": name, "": value} for name, value in facts.items()]

    def show(self, console: Console) -> None:
        console.print(as_table(self.rows(), "", boxed=console.is_terminal, right=False))
        for warning in self.warnings:
            console.print(f"WARNING {warning}", markup=False)

    def _capacity(self) -> dict[str, str]:
        options, instance, bounds = self.options, self.options.instance, self.options.bounds
        if instance is None:
            concurrent = options.max_concurrency or 5
            return {"serverless": f"{options.memory_mb or 4096} MB, {concurrent} requests at once"}
        gpu = f"{instance.count} x {instance.gpu}" if instance.gpu else "no GPU"
        scaled = f", scaled from {bounds[0]} to {bounds[1]}" if bounds else ""
        return {options.kind: f"{options.count} x {instance.name} ({gpu}){scaled}"}


def prepare(run: Run, options: Options, staging: Path) -> Plan:
    """
    Args:
        staging: a directory for the archive.

    Raises:
        UserError: whatever a user can mend.
    """
    account, instance = account_for(run, options), options.instance
    image = images.for_inference(options.image, instance, account.region)
    archive = build(run, staging / _ARCHIVE, options.network_isolation)
    channel = Channel("model", {_ARCHIVE: archive.path})
    endpoint = options.name or names.of_run(run)
    requests = request.build(
        options,
        run,
        endpoint,
        account,
        image.uri,
        account.store.uri(channel) + _ARCHIVE,
        instance.price if instance else None,
    )
    present = account.store.has(channel)
    return Plan(endpoint, run, options, account, image, archive, channel, present, requests)
