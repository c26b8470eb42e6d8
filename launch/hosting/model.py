"""A run's model on its way to SageMaker: its archive, its image, and where they go."""

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

from imdb_cls.config import AwsConfig
from imdb_cls.errors import UserError
from imdb_cls.inference.engine import open_fast
from imdb_cls.model.open import open_labeller, settings_of
from imdb_cls.runs.run import Run
from launch.aws import images
from launch.aws.images import Image
from launch.aws.instances import Instance
from launch.aws.limits import Request
from launch.aws.store import Channel
from launch.hosting import archive
from launch.hosting.account import Account, account_for

_ARCHIVE = "model.tar.gz"
_NEEDED = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class Model:
    run: Run
    options: AwsConfig
    account: Account
    image: Image
    archive: Channel
    """In S3 under the hash of its content: it is uploaded once."""

    def facts(self) -> dict[str, str]:
        """What a plan shows of it."""
        return {
            "image": f"{self.image.uri}\n{self.image.why}",
            "model": f"{_ARCHIVE}, {self.archive.size / 1e6:.1f} MB",
        }

    def request(self) -> Request:
        """CreateModel's body without name and tags."""
        options, account = self.options, self.account
        vpc = {"Subnets": options.subnets, "SecurityGroupIds": options.security_groups}
        return {
            "PrimaryContainer": {
                "Image": self.image.uri,
                "ModelDataUrl": account.store.uri(self.archive) + _ARCHIVE,
                "Environment": {
                    "HF_TASK": "text-classification",
                    "SAGEMAKER_PROGRAM": "inference.py",
                    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
                    # One model on all cores. The default is a model a core, each in its own memory.
                    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
                    "SAGEMAKER_REGION": account.region,
                },
            },
            "ExecutionRoleArn": account.role,
            **({"VpcConfig": vpc} if options.subnets else {}),
            **({"EnableNetworkIsolation": True} if options.network_isolation else {}),
        }


def pack(run: Run, options: AwsConfig, staging: Path, instance: Instance | None) -> Model:
    """
    Args:
        staging: a directory for the archive.
        instance: None: it will be served without one.

    Raises:
        UserError: the model is damaged; no account, no image, or no place for it.
    """
    check(run)
    account = account_for(run, options)
    image = images.for_inference(options.image, instance, account.region)
    archive.build(run, staging / _ARCHIVE, options.network_isolation)
    return Model(run, options, account, image, Channel("model", {_ARCHIVE: staging / _ARCHIVE}))


def check(run: Run) -> None:
    """Raises UserError if a run's model, or its fast one, is damaged: a container would be paid for
    until that is found. Only one that is older than checksums has to label for it."""
    settings, model = settings_of(run), run.model_dir
    needed = {*_NEEDED, *filter(None, [settings.fast])}
    if needed <= settings.sha256.keys():
        settings.check_files(model, settings.sha256)
        return
    if importlib.util.find_spec("torch") is None:
        raise UserError(f"{model} is older than checksums: only torch, which is missing, checks it")
    trained, fast = open_labeller(run, "cpu", "32-true"), open_fast(model, settings.fast)
    for engine in filter(None, (trained.engine, fast)):
        replace(trained, engine=engine).logits(["good"])
