"""run.json as attributes: what the trainer and the client record, and every reader reads. Of a
file, a key that an older run lacks is None, or its default; keys of other versions are left out.
"""

import ast
import contextlib
import re
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from imdb_cls.errors import UserError, one_line, translated
from imdb_cls.typed import filled

STATUSES = ("running", "completed", "failed", "stopped")
# Of a field that the file leaves out while it is None.
_IF_KNOWN = {"if_known": True}


def plain_values(facts: Any) -> Any:
    """Records, and lists and objects of them, as JSON has them."""
    if is_dataclass(facts):
        known = {item: getattr(facts, item.name) for item in fields(facts)}
        facts = {i.name: v for i, v in known.items() if v is not None or not i.metadata}
    if isinstance(facts, list):
        return [plain_values(fact) for fact in facts]
    if isinstance(facts, dict):
        return {name: plain_values(fact) for name, fact in facts.items()}
    return facts


def check_time(time: str | None, where: str) -> None:
    """Raises UserError for what is no time with a zone, in ISO 8601."""
    with translated(f"{where} is damaged", ValueError):
        if time is not None and datetime.fromisoformat(time).tzinfo is None:
            raise ValueError(f"'{time}' has no time zone")


@dataclass(kw_only=True)
class Resolved:
    """What the names in a config came to."""

    model: str
    """The name of the pretrained weights."""
    revision: str | None
    """Their commit on the Hub."""
    weights_sha256: str
    data: str
    """The name or the path of the reviews."""
    data_revision: str | None
    data_fingerprint: str
    """Of all three splits: their texts and labels in their order."""
    fallback: bool
    """Whether packaged weights or reviews stand in for those of the Hub."""
    sizes: dict[str, int]
    """Reviews of train, val and test."""
    duplicates_removed: int
    left_out: int = 0
    """Reviews whose label is neither negative nor positive."""


@dataclass(kw_only=True)
class JobInfo:
    """The SageMaker job that a run is, or an earlier attempt at it."""

    name: str | None = field(default=None, metadata=_IF_KNOWN)
    """Of an earlier attempt; that of the run itself is RunInfo.job_name."""
    region: str
    account: str | None = field(default=None, metadata=_IF_KNOWN)
    """The number of the AWS account."""
    request: dict[str, Any] | None = field(default=None, metadata=_IF_KNOWN)
    """The request for it, until AWS is known to have got it."""
    request_digest: str | None = field(default=None, metadata=_IF_KNOWN)
    """A hash of that request, as it was recorded."""
    instance_type: str
    """Of several the first, until SageMaker is known to have chosen one."""
    next_types: list[str] | None = field(default=None, metadata=_IF_KNOWN)
    """Those to try, in their order, if no machine of this one can be had."""
    instance_count: int
    spot: bool
    image: str
    """The URI of its container's image."""
    output: str
    """Where in S3 it leaves its results."""
    checkpoints: str | None
    """Where in S3 its checkpoints are; those of the attempts before it lie there too."""
    price_per_hour: float | None
    """USD, of one instance; None: not known."""
    ceiling_usd: float | None
    """What it can cost at most."""
    status: str | None = field(default=None, metadata=_IF_KNOWN)
    """TrainingJobStatus when its results were fetched."""
    phase: str | None = field(default=None, metadata=_IF_KNOWN)
    """SecondaryStatus at that time."""
    seconds_billed: int | None = field(default=None, metadata=_IF_KNOWN)
    final_metrics: dict[str, Any] | None = field(default=None, metadata=_IF_KNOWN)
    """The last value of each metric that SageMaker found in the log."""
    cost_usd: float | None = field(default=None, metadata=_IF_KNOWN)
    saved_usd: float | None = field(default=None, metadata=_IF_KNOWN)
    """Of a spot job, what the seconds would have cost besides that were not billed."""


@dataclass(kw_only=True)
class RunInfo:
    """Everything on record of a run. Times are in ISO 8601, UTC."""

    status: str
    """running, completed, failed or stopped."""
    command: str | None = None
    started: str | None = None
    finished: str | None = None
    seconds: float | None = None
    """Of training and testing, over all attempts on the same machine."""
    seed: int | None = None
    overrides: list[str] = field(default_factory=list)
    """Of the task, as typed."""
    fingerprint: str | None = None
    """Equal for runs with the same numbers; None of one that failed before it had any reviews."""
    resolved: Resolved | None = None
    device: str | None = None
    """The name of the processor, of a job that of its instance."""
    precision: str | None = None
    backend: str | None = None
    """local or sagemaker."""
    job_name: str | None = None
    logger_id: str | None = None
    """The id of the run in wandb."""
    rehearsal: bool | None = field(default=None, metadata=_IF_KNOWN)
    """Of a job: whether its AWS was a rehearsal's."""
    sweep: str | None = None
    """The name of the sweep that this is a trial of."""
    previous_jobs: list[JobInfo] | None = field(default=None, metadata=_IF_KNOWN)
    """Earlier attempts, in whose place this one stands."""
    job: JobInfo | None = field(default=None, metadata=_IF_KNOWN)
    code: str | None = None
    """A hash of the source that shapes a run's numbers."""
    sha256: dict[str, str] | None = field(default=None, metadata=_IF_KNOWN)
    """The hashes of its files, by their paths in it: of config.yaml, and once it has ended of what
    it came to. Each of several hashes, with a space between them, is right."""
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    reason: str | None = field(default=None, metadata=_IF_KNOWN)
    """Why it failed, or was pruned."""
    pruned: bool | None = field(default=None, metadata=_IF_KNOWN)
    """Whether its sweep ended it, because other trials are better."""
    parts: dict[str, float] | None = field(default=None, metadata=_IF_KNOWN)
    """Seconds of prepare, train, test, export and report."""
    resumed_here: bool | None = field(default=None, metadata=_IF_KNOWN)
    """Whether the run of a job went on on this machine."""

    @classmethod
    def of(cls, values: dict[str, Any], file: Path) -> "RunInfo":
        """From the values in a file. Raises UserError for what no run of ours records."""
        info = filled(cls, values, file, partial=True)
        if info.status not in STATUSES:
            raise UserError(
                f"{file} is damaged: status={info.status}: allowed are {', '.join(STATUSES)}"
            )
        for name in ("started", "finished"):
            check_time(getattr(info, name), f"{file}: {name}")
        spent = [("seconds", info.seconds), *(("cost_usd", job.cost_usd) for job in info.jobs)]
        for name, value in [*spent, *(info.parts or {}).items()]:
            if value is not None and value < 0:
                raise UserError(f"{file} is damaged: {name}={value:g} must be at least 0")
        return info

    @property
    def plain_reason(self) -> str | None:
        """`reason` on one line. run.json has an exception as Python writes it; a person wants what
        it says."""
        reason = self.reason
        if not reason:
            return None
        if match := re.fullmatch(r"(\w+)\((.*?),?\)", reason, re.DOTALL):
            with contextlib.suppress(ValueError, SyntaxError):
                if isinstance(said := ast.literal_eval(match[2]), str):
                    reason = said if match[1] == "UserError" else f"{match[1]}: {said}"
        return one_line(reason)

    @property
    def jobs(self) -> list[JobInfo]:
        """All attempts, the earliest first."""
        return [*(self.previous_jobs or []), *([self.job] if self.job else [])]

    def required_job(self) -> JobInfo:
        """`job`, of a run that is known to be one."""
        assert self.job is not None
        return self.job

    @property
    def is_live_job(self) -> bool:
        """Whether, as far as is known here, a remote job is at work on the run. A rehearsal's is
        not: it ended with its command."""
        return bool(self.job_name) and not self.rehearsal and self.status == "running"

    @property
    def is_unsettled(self) -> bool:
        """Whether nobody knows yet if AWS has got the request for its job."""
        return self.is_live_job and self.job is not None and self.job.request is not None

    @property
    def cost_usd(self) -> float | None:
        """USD that were paid for all its jobs; None if none were, or nobody knows."""
        return self._sum("cost_usd")

    @property
    def saved_usd(self) -> float | None:
        """USD that spot capacity has saved; None if no job was a spot job, or nobody knows."""
        return self._sum("saved_usd")

    def _sum(self, name: str) -> float | None:
        if self.rehearsal:
            return None
        known = [float(getattr(job, name)) for job in self.jobs if getattr(job, name) is not None]
        return sum(known) if known else None
