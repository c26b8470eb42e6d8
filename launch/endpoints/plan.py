"""What a deployment will be: decided, priced, and shown before anything is sent."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from imdb_cls.runs.run import Run
from imdb_cls.terminal import show_plan
from launch.aws.limits import Request
from launch.endpoints import names, record, request
from launch.endpoints.options import EndpointOptions
from launch.hosting.model import Model, pack


@dataclass(frozen=True)
class EndpointPlan:
    endpoint: str
    options: EndpointOptions
    model: Model
    requests: dict[str, Request]

    @property
    def config(self) -> str:
        """The name of the endpoint's configuration."""
        return str(self.requests["CreateEndpointConfig"]["EndpointConfigName"])

    def show(self, console: Console) -> None:
        options, account = self.options, self.model.account
        there = {True: "in S3 already", False: "to upload", None: "S3 was not asked"}
        facts = {
            "endpoint": f"{self.endpoint} in {account.region}",
            "run": str(self.model.run.path),
            options.kind: self._capacity(),
            **self.model.facts(),
        }
        facts["model"] += f", {there[account.store.has(self.model.archive)]}"
        if options.data_capture:
            facts["captured"] = (
                f"{options.capture_percent or 100} % of requests and answers, below"
                f" {account.store.folder('endpoints', self.endpoint, 'captured')}"
            )
        facts |= {"price": options.price, **account.facts()}
        show_plan(console, facts, self._warnings())

    def _capacity(self) -> str:
        options, instance, bounds = self.options, self.options.instance, self.options.bounds
        if instance is None:
            return f"{options.memory} MB, {options.max_concurrency or 5} requests at once"
        gpu = f"{instance.count} x {instance.gpu}" if instance.gpu else "no GPU"
        scaled = f", scaled from {bounds[0]} to {bounds[1]}" if bounds else ""
        return f"{options.count} x {instance.name} ({gpu}){scaled}"

    def _warnings(self) -> list[str]:
        """What a user should know before paying."""
        found, options = [], self.options
        if not options.role:
            found.append("role is not set: a placeholder stands in the requests")
        if options.data_capture:
            found.append("data_capture=true keeps your users' texts in S3, until you delete them")
        if options.network_isolation and options.image == "auto":
            found.append(
                "network_isolation=true: the container cannot install onnxruntime, so it answers"
                " with torch, and slower"
            )
        if options.instance and options.instance.retiring:
            found.append(f"{options.instance.name}: AWS is retiring the family")
        return found


def plan_endpoint(run: Run, options: EndpointOptions, staging: Path) -> EndpointPlan:
    """Packs the model into the directory `staging`. Raises UserError for what a user can mend."""
    record.read(run)  # a damaged one is an error before anything is uploaded
    model = pack(run, options, staging, options.instance)
    endpoint = options.name or names.of_run(run)
    return EndpointPlan(endpoint, options, model, request.build(options, model, endpoint))
