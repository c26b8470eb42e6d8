"""Everything about a job that can be known, and refused, before anything is sent."""

import json
from dataclasses import dataclass
from pathlib import Path

import boto3
from hydra.core.hydra_config import HydraConfig

from imdb_cls.config import CONF_DIR, BackendConfig, Config
from imdb_cls.config.checks import check_config
from imdb_cls.data import load
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run, to_yaml
from imdb_cls.storage import write_json, write_text
from imdb_cls.training.resolve import ResolvedConfig, with_stand_ins
from launch.aws import images, limits
from launch.aws.instances import Instance, instance_of
from launch.aws.store import Channel, copy, of_directory
from launch.hosting.account import Account
from launch.training import code, plan, request, secret, wheels
from launch.training.plan import Plan
from launch.training.request import Job, Request


@dataclass(frozen=True)
class Submission:
    """A request, what it was made of, and what must lie in S3 before it is sent."""

    plan: Plan
    job: Job
    resolved: ResolvedConfig
    request: Request
    channels: list[Channel]


def assemble(
    resolved: ResolvedConfig,
    account: Account,
    run: Run,
    overrides: list[str],
    staging: Path,
    *,
    sweep: str | None = None,
    continues: str | None = None,
) -> Submission:
    """
    Args:
        staging: a directory for the files that are to be sent.
        sweep: the name of the sweep that the run is a trial of.
        continues: the checkpoints of an earlier job of this run.

    Raises:
        UserError: whatever a user can mend.
    """
    config, backend = resolved.config, resolved.config.backend
    assert backend is not None
    check_config(config)
    instance, seconds, precision, processes, own_config = check_plan(config, overrides)
    image = images.for_training(backend.image, instance, account.region)
    notes = secret.choose_mode(config)
    channels = _data(resolved, staging, image.python)
    if own_config:
        write_text(staging / "config" / "config.yaml", to_yaml(config))
        channels.append(of_directory("config", staging / "config"))
    given = with_stand_ins(overrides, resolved.stand_ins) if resolved.stand_ins else overrides
    names = {channel.name for channel in channels}
    ours = request.job_overrides(
        [] if own_config else given, resolved, names, processes, account.region
    )
    job = Job(
        name=backend.job_name or plan.new_job_name(),
        config=config,
        overrides=[*request.OWN_CONFIG, *ours] if own_config else ours,
        processes=processes,
        image=image.uri,
        role=account.role,
        bucket=account.store.bucket,
        max_seconds=seconds,
        channels={channel.name: account.store.uri(channel) for channel in channels},
        code=code.stage(code.code(), staging / "code", isolated=backend.network_isolation),
        fingerprint=resolved.fingerprint,
        run_name=run.name,
        region=account.region,
        sweep=sweep,
        continues=continues,
    )
    made = _request(job, account, staging, channels)
    limits.check(made)
    planned = Plan(
        job_name=job.name,
        backend=backend,
        instance=instance,
        image=image,
        precision=precision,
        processes=processes,
        max_seconds=seconds,
        channels=channels,
        present={channel.name: account.store.has(channel) for channel in channels},
        command=request.shown_command(job),
        notes=[*_notes(resolved, account, names), *notes],
        warnings=plan.warnings_of(config, instance, code.untracked(), not backend.role),
    )
    return Submission(planned, job, resolved, made, channels)


def check_plan(config: Config, overrides: list[str]) -> tuple[Instance, int, str, int, bool]:
    """What is known of a job before its reviews are read: the instance, the seconds it may take,
    the precision, the processes on each host, and whether the config has to travel whole.

    Raises:
        UserError: the first of them that cannot be.
    """
    backend = config.backend
    assert backend is not None
    instance = instance_of(backend)
    seconds = plan.affordable_seconds(backend, instance)
    precision = plan.precision_on(config, instance)
    return instance, seconds, precision, plan.processes_on(config, instance), _own(overrides)


def check_for_all(backend: BackendConfig, account: Account) -> None:
    """What holds for every job of a sweep: the image and the code.

    Raises:
        UserError: no job could be sent.
    """
    images.for_training(backend.image, instance_of(backend), account.region)
    code.check_chosen({})


def _own(overrides: list[str]) -> bool:
    """Whether the config comes from elsewhere than conf/, and has to travel whole.

    Raises:
        UserError: it is made of a file that git does not track, or of a variable of this machine.
    """
    runtime, job = HydraConfig.get().runtime, HydraConfig.get().job
    code.check_chosen({group: str(option) for group, option in runtime.choices.items()})
    for override in overrides:
        if "${oc.env:" in override:
            raise UserError(f"{override}: the job does not have this machine's variables")
    sources = [Path(s.path) for s in runtime.config_sources if s.schema == "file"]
    elsewhere = [path for path in sources if path.resolve() != CONF_DIR.resolve()]
    return job.config_name != "train" or bool(elsewhere)


def _data(resolved: ResolvedConfig, staging: Path, python: str) -> list[Channel]:
    """The reviews, and what else the job could not get by itself."""
    backend, weights = resolved.config.backend, resolved.config.model.pretrained
    assert backend is not None
    load.write(resolved.splits, staging / "reviews")
    channels = [of_directory("reviews", staging / "reviews")]
    if weights.source != "hub" or backend.network_isolation:
        channels.append(code.weights(resolved.pretrained.path))
    if backend.network_isolation:
        cache = Path(resolved.config.cache_dir)
        channels.append(of_directory("wheels", wheels.collect(python, cache)))
    return channels


def _request(job: Job, account: Account, staging: Path, channels: list[Channel]) -> Request:
    """Adds the directories of the SDK's own making to `channels`, kept beyond its use of them."""

    def place(name: str, directory: Path) -> str:
        kept = staging / name
        if directory != kept:
            copy(of_directory(name, directory), kept)
            _forget_source(kept / "sourcecode.json")
        channels.append(of_directory(name, kept))
        return account.store.uri(channels[-1])

    none = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    session = account.aws.session if account.aws else boto3.Session(**none, region_name=job.region)
    return request.build(job, session, place)


def _forget_source(described: Path) -> None:
    """The SDK notes where the code lay on this machine: another place, and hash, for every job."""
    if described.is_file():
        values = json.loads(described.read_text(encoding="utf-8"))
        write_json(described, {**values, "source_dir": f"{request.ROOT}/input/data/code"})


def _notes(resolved: ResolvedConfig, account: Account, channels: set[str]) -> list[str]:
    notes = []
    if account.rehearsal:
        notes.append(
            "rehearsal: here, with this machine's packages, for the instance and the image"
        )
    if "weights" not in channels:
        name, revision = resolved.config.model.pretrained.name, resolved.pretrained.path.name
        notes.append(f"weights: from the Hub in the job, {name}@{revision[:12]}")
    return notes
