"""Makes the request of a run's job, with all that can be refused before anything is sent."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
from hydra.core.hydra_config import HydraConfig

from imdb_cls.config import CONF_DIR, BackendConfig, Config
from imdb_cls.config.checks import check_config
from imdb_cls.container import ROOT
from imdb_cls.data.load import write_splits
from imdb_cls.errors import UserError
from imdb_cls.model.weights import FILES as WEIGHT_FILES
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.run import Run
from imdb_cls.runs.yaml_files import to_yaml
from imdb_cls.storage import write_json, write_text
from imdb_cls.training.resolve import ResolvedConfig, with_stand_ins
from launch.aws import images, limits
from launch.aws.instances import instances_of
from launch.aws.limits import Request
from launch.aws.store import Channel, copy, of_directory
from launch.hosting.account import Account
from launch.training import code, plan, request, tracking, wheels
from launch.training.overrides import OWN_CONFIG, job_overrides
from launch.training.plan import Machines
from launch.training.request import Job


@dataclass(frozen=True)
class Submission:
    """A job with its request, and what must lie in S3 before that is sent."""

    job: Job
    request: Request
    channels: list[Channel]
    overrides: list[str]
    """Those that are recorded: as typed."""
    machines: Machines
    facts: dict[str, str]
    """What is shown of it."""
    warnings: list[str]


@contextlib.contextmanager
def assembled(
    account: Account,
    resolved: ResolvedConfig,
    run: Run,
    overrides: list[str],
    sweep: str | None = None,
    before: RunInfo | None = None,
    changes: list[str] | None = None,
) -> Iterator[Submission]:
    """Gives a job that can be sent for as long as this lasts.

    Args:
        sweep: the name of the sweep that the run is a trial of.
        before: the record of an earlier job of the run, to go on from its checkpoints.
        changes: of a run that goes on with its own config, the overrides that change it.

    Raises:
        UserError: whatever a user can mend before anything is sent.
    """
    config, backend = resolved.config, resolved.config.backend
    assert backend is not None
    check_config(config)
    machines, own_config = Machines.of(config), _travels_whole(overrides) or changes is not None
    image = images.for_training(backend.image, machines.instances, account.region)
    notes = [*tracking.choose_wandb(config), *tracking.choose_mlflow(config)]
    with tempfile.TemporaryDirectory(prefix="imdb_cls-") as temporary:
        staging = Path(temporary)
        channels = _data(resolved, staging, image.python)
        if own_config:
            (staging / "config").mkdir()
            write_text(staging / "config" / "config.yaml", to_yaml(config))
            channels.append(of_directory("config", staging / "config"))
        names = {channel.name for channel in channels}
        given = (changes or []) if own_config else with_stand_ins(overrides, resolved.stand_ins)
        ours = job_overrides(given, resolved, names, machines.processes, account.region)
        sent = code.code(mlflow=config.logger.mlflow is not None)
        job = Job(
            name=backend.job_name or plan.new_job_name(),
            run=run,
            resolved=resolved,
            backend=backend,
            account=account,
            image=image,
            max_seconds=machines.max_seconds,
            processes=machines.processes,
            overrides=[*OWN_CONFIG, *ours] if own_config else ours,
            channels={channel.name: account.store.uri(channel) for channel in channels},
            code=code.stage(sent, staging / "code", backend),
            sweep=sweep,
            before=before,
        )
        made = _request(job, staging, channels)
        limits.check_request(made)
        shown = plan.facts(job, machines, channels, [*_notes(job), *notes])
        warnings = plan.warnings_of(backend, machines.instances, code.untracked())
        yield Submission(job, made, channels, overrides, machines, shown, warnings)


def check_early(config: Config, overrides: list[str]) -> None:
    """Refuses what can be refused before the reviews are read. Raises UserError if the machines are
    not to be had, or the config cannot be sent."""
    Machines.of(config)
    _travels_whole(overrides)


def check_for_all(backend: BackendConfig, account: Account) -> None:
    """Checks what is the same for every job of a sweep: the image and the code. Raises UserError if
    no job could be sent."""
    images.for_training(backend.image, instances_of(backend), account.region)
    code.check_chosen({})


def _travels_whole(overrides: list[str]) -> bool:
    """Whether the config is not that of conf/, so that it must be sent whole. Raises UserError for
    a config of a file that git does not track, or of a variable of this machine."""
    runtime, job = HydraConfig.get().runtime, HydraConfig.get().job
    code.check_chosen({group: str(option) for group, option in runtime.choices.items()})
    for override in overrides:
        if "${oc.env:" in override:
            raise UserError(f"{override}: the job does not have this machine's variables")
    sources = [Path(s.path) for s in runtime.config_sources if s.schema == "file"]
    elsewhere = [path for path in sources if path.resolve() != CONF_DIR.resolve()]
    return job.config_name != "train" or bool(elsewhere)


def _data(resolved: ResolvedConfig, staging: Path, python: str) -> list[Channel]:
    """The reviews, and whatever else the job cannot get by itself."""
    backend, weights = resolved.config.backend, resolved.config.model.pretrained
    assert backend is not None
    write_splits(resolved.splits, staging / "reviews")
    channels = [of_directory("reviews", staging / "reviews")]
    if weights.source != "hub" or backend.network_isolation:
        path = resolved.pretrained.path
        channels.append(Channel("weights", {name: path / name for name in WEIGHT_FILES}))
    if backend.network_isolation:
        cache = Path(resolved.config.cache_dir)
        channels.append(of_directory("wheels", wheels.collect(python, cache)))
    return channels


def _request(job: Job, staging: Path, channels: list[Channel]) -> Request:
    """Makes the request. The directories that the SDK makes for it are kept in `staging`, and added
    to `channels`."""
    aws, store = job.account.aws, job.account.store

    def place(name: str, directory: Path) -> str:
        kept = staging / name
        if directory != kept:
            copy(of_directory(name, directory), kept)
            # The SDK notes where the code is on this machine. That is another directory for each
            # job, and the same files would be uploaded again.
            described = json.loads((kept / "sourcecode.json").read_text(encoding="utf-8"))
            described["source_dir"] = f"{ROOT}/input/data/code"
            write_json(kept / "sourcecode.json", described)
        channels.append(of_directory(name, kept))
        return store.uri(channels[-1])

    none = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    session = aws.session if aws else boto3.Session(**none, region_name=job.account.region)
    return request.build(job, session, place)


def _notes(job: Job) -> list[str]:
    notes = []
    if job.account.rehearsal:
        notes.append(
            "rehearsal: here, with this machine's packages, for the instance and the image"
        )
    if "weights" not in job.channels:
        name, path = job.resolved.config.model.pretrained.name, job.resolved.pretrained.path
        notes.append(f"weights: from the Hub in the job, {name}@{path.name[:12]}")
    if job.backend.index_url:
        secret = f", with the secret {job.backend.index_secret}" * bool(job.backend.index_secret)
        notes.append(f"packages: from {job.backend.index_url}{secret}")
    return notes
