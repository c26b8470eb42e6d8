"""What a config must not say: values that a rule refuses, and values that contradict each other."""

import re
from collections.abc import Sequence
from typing import Any

from imdb_cls.config.knobs import check_knobs
from imdb_cls.config.schema import AwsConfig, BackendConfig, Config, DataConfig, ModelConfig
from imdb_cls.config.steps import warmup_steps
from imdb_cls.errors import UserError, translated
from imdb_cls.names import label_values

# Keys that a source does not read.
_UNREAD = {
    "hub": ("path", "sha256"),
    "packaged": ("train", "val", "test", "path", "revision"),
    "files": ("path", "revision", "sha256", "name"),
    "arrow": ("revision", "sha256", "name"),
    "acl_imdb": ("train", "val", "test", "revision", "sha256", "name"),
}
# The sources whose files have columns, and labels that may be of one's own.
_COLUMNS = ("hub", "files", "arrow")
# Where a job's packages may come from, and by which way a password may travel.
_INDEX = re.compile(
    r"https?://[\w.:-]+(/[\w.~%+/-]*)?"
    r"|arn:[\w-]+:codeartifact:[\w-]+:\d{12}:repository/[\w.-]+/[\w.-]+"
)
_SAFE = re.compile(r"https://|http://(127\.0\.0\.1|localhost)[:/]")
# The key that a source cannot do without.
_NEEDED = {"hub": "name", "files": "train", "arrow": "path", "acl_imdb": "path"}


def check_config(config: Config) -> None:
    """Raises UserError for the first value that is out of range or contradicts another."""
    check_knobs(config)
    _check_source(config.data)
    _check_crops(config.data, config.trainer.max_epochs)
    _check_rdrop(config.model, config.trainer.max_epochs)
    _check_devices(config.trainer.devices, config.data.batch_size)
    if config.data.train_size:
        warmup_steps(config, config.data.train_size)
    cloudwatch = config.logger.cloudwatch
    if cloudwatch and cloudwatch.namespace.startswith("AWS/"):
        raise UserError("logger.cloudwatch.namespace: AWS/… is AWS's own: choose another")
    if config.logger.mlflow:
        check_no_password("logger.mlflow.tracking_uri", config.logger.mlflow.tracking_uri)
    if config.backend:
        _check_backend(config, config.backend)


def check_no_password(key: str, uri: str | None) -> None:
    """Refuses an address with a password in it, which would be recorded, without repeating it."""
    if uri and re.match(r"\w+://[^/]*@", uri):
        raise UserError(
            f"{key}: an address that is recorded must not have a name or a password in it: set"
            " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
        )


def check_aws(config: AwsConfig) -> None:
    """Does the same for what a training job, an endpoint and a batch job have in common."""
    key = config.key
    check_knobs(config, key)
    if bool(config.subnets) != bool(config.security_groups):
        raise UserError(f"{key('subnets')} and {key('security_groups')}: a VPC needs both")
    if config.dry_run and config.rehearse:
        raise UserError(
            f"{key('dry_run')}=true sends nothing, {key('rehearse')}=true sends it to a local AWS:"
            " choose one"
        )
    if config.rehearse and not config.wait:
        raise UserError(f"{key('wait')}=false: a rehearsal ends with its command")


def _check_source(data: DataConfig) -> None:
    for name in _UNREAD[data.source]:
        if (value := getattr(data, name)) is not None:
            raise UserError(
                f"data.{name}={value} means nothing to a source of '{data.source}':"
                " choose data=files, data=arrow or data=imdb"
            )
    for name in ("train", "val", "test"):
        if data.source != "files" and isinstance(getattr(data, name), list):
            raise UserError(f"data.{name}: a list of files is for data=files")
    check_columns(data.text, data.label, data.negative, data.positive, "data.")
    if data.source not in _COLUMNS and (data.negative or data.separator != "auto"):
        raise UserError(
            "data.negative, data.positive and data.separator mean nothing to a source of"
            f" '{data.source}', whose labels are known"
        )
    needed = _NEEDED.get(data.source)
    if needed and not getattr(data, needed):
        raise UserError(
            f"data.{needed} has no value: a source of '{data.source}' needs data.{needed}=…"
        )


def check_columns(
    text: str, label: str | None, negative: Sequence[str], positive: Sequence[str], prefix: str = ""
) -> None:
    """Raises UserError if columns and labels cannot be told apart. `prefix` stands before their
    names where a user writes them."""
    if text == label:
        raise UserError(f"{prefix}text and {prefix}label are both '{text}': two columns are needed")
    given = f"{prefix}negative={list(negative)} {prefix}positive={list(positive)}"
    with translated(given, ValueError):
        label_values(negative, positive)


def _check_crops(data: DataConfig, epochs: int) -> None:
    """Allows no limit, one, or some for the first epochs, the last of which stays."""
    given = data.train_max_length
    limits = given if isinstance(given, list) else [] if given is None else [given]
    valid = all(type(limit) is int and 8 <= limit <= 512 for limit in limits)
    if given is not None and not (limits and valid):
        raise UserError(
            f"data.train_max_length={given} must be a number from 8 to 512, or a list of such"
            " numbers, the first one for the first epoch"
        )
    if len(limits) > epochs:
        raise UserError(
            f"data.train_max_length={given} has {len(limits)} numbers for"
            f" trainer.max_epochs={epochs}: leave some out"
        )
    if max(limits, default=0) > data.max_length:
        raise UserError(
            f"data.train_max_length={given} is above"
            f" data.max_length={data.max_length}: the model would never read so many again;"
            " set it to null, or lower"
        )
    if data.window_epochs > epochs:
        raise UserError(
            f"data.window_epochs={data.window_epochs}: there are trainer.max_epochs={epochs} only"
        )


def _check_rdrop(model: ModelConfig, epochs: int) -> None:
    """Refuses R-Drop that would do nothing."""
    given = f"model.rdrop={model.rdrop:g}"
    dropouts = ("dropout", "attention_dropout", "classifier_dropout")
    if model.rdrop and not any(getattr(model, name) for name in dropouts):
        raise UserError(
            f"{given} compares two answers that only dropout makes different, and every dropout is"
            " 0: set model.dropout, to 0.1 for instance"
        )
    if model.rdrop_epochs is None:
        return
    if not model.rdrop:
        raise UserError(f"model.rdrop_epochs={model.rdrop_epochs} means nothing with {given}")
    if model.rdrop_epochs > epochs:
        raise UserError(
            f"model.rdrop_epochs={model.rdrop_epochs}: there are trainer.max_epochs={epochs} only"
        )


def _check_devices(devices: Any, batch_size: int) -> None:
    """Allows auto, a number of devices, or the ids of some, each with a review of every batch."""
    if devices == "auto":
        return
    ids = devices if isinstance(devices, list) else None
    numbers, lowest = ([devices], 1) if ids is None else (ids, 0)
    # In Python, true is a number too.
    valid = numbers and all(type(number) is int and number >= lowest for number in numbers)
    if not valid or len(set(numbers)) < len(numbers):
        raise UserError(
            f"trainer.devices={devices}: allowed are auto, a number from 1, or a list of ids"
        )
    count = devices if ids is None else len(ids)
    # Batches are as even as can be: the smallest may have half the reviews of the largest.
    if count > 1 and batch_size < 2 * count:
        raise UserError(
            f"data.batch_size={batch_size} is too small for {count} devices: at least {2 * count}"
        )


def _check_backend(config: Config, backend: BackendConfig) -> None:
    check_aws(backend)
    if (backend.max_wait_seconds or backend.max_seconds) < backend.max_seconds:
        raise UserError(
            f"backend.max_wait_seconds={backend.max_wait_seconds} includes the training: it must be"
            f" at least backend.max_seconds={backend.max_seconds}"
        )
    if config.container:
        raise UserError("container is set inside a job only: leave it out")
    if config.trainer.num_nodes > 1:
        raise UserError("trainer.num_nodes follows backend.instance_count: set that one")
    if config.trainer.accelerator == "mps":
        raise UserError("trainer.accelerator=mps: SageMaker has no Apple GPU")
    if backend.max_wait_seconds and not backend.spot:
        raise UserError("backend.max_wait_seconds means nothing without backend.spot=true")
    if backend.spot and backend.keep_alive_seconds:
        raise UserError(
            "backend.keep_alive_seconds: SageMaker keeps no spot instance warm; leave one of"
            " backend.spot and backend.keep_alive_seconds out"
        )
    if backend.price_per_hour and len(backend.instance_types) > 1:
        raise UserError(
            f"backend.price_per_hour={backend.price_per_hour} is the price of one type, and"
            f" backend.instance_type names {len(backend.instance_types)}: leave it out"
        )
    _check_index(backend)
    if backend.rehearse_without and not backend.rehearse:
        raise UserError("backend.rehearse_without needs backend.rehearse=true")
    if backend.interrupt_at_step and not (backend.rehearse and backend.spot):
        raise UserError(
            "backend.interrupt_at_step needs backend.rehearse=true and backend.spot=true"
        )


def _check_index(backend: BackendConfig) -> None:
    """Where the packages of a job come from."""
    if not backend.index_url:
        if backend.index_secret:
            raise UserError("backend.index_secret means nothing without backend.index_url")
        return
    # Its value is not repeated: there may be a password in it.
    if not _INDEX.fullmatch(backend.index_url):
        raise UserError(
            "backend.index_url: allowed are the https:// address of a package index, without a name"
            " or a password, and the ARN of a CodeArtifact repository; a name and a password belong"
            " into backend.index_secret"
        )
    if backend.network_isolation:
        raise UserError(
            "backend.index_url: a job without a network is sent what pip collects on this machine,"
            " where pip's own settings say from which index: leave it out"
        )
    if backend.index_secret and backend.has_code_artifact:
        raise UserError(
            "backend.index_secret: CodeArtifact asks the job's role who it is: leave it out"
        )
    if backend.index_secret and not _SAFE.match(backend.index_url):
        raise UserError(
            f"backend.index_url={backend.index_url}: a password travels by https:// only"
        )
