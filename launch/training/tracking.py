"""Where a job's wandb and MLflow are. The key of wandb, which the job reads in Secrets Manager, is
never in a request."""

import contextlib
import json
import os

from imdb_cls.config import Config
from imdb_cls.errors import UserError
from imdb_cls.training.loggers.mlflow_address import address
from imdb_cls.training.loggers.wandb_key import VARIABLE, asked_mode
from launch.aws.client import AWS, explained


def choose_wandb(config: Config) -> list[str]:
    """Decides whether the job's wandb is online: it is if the config names where its key is, in
    Secrets Manager or in a variable of this machine (logger.wandb.key_env). Returns a line for the
    plan.

    A key in WANDB_API_KEY or ~/.netrc is for this machine and is not sent unless it is named.

    Raises:
        UserError: the config wants wandb online in the job, and it cannot be.
    """
    wandb, backend = config.logger.wandb, config.backend
    if wandb is None or backend is None:
        return []
    asked = asked_mode(wandb)
    if asked == "disabled":
        wandb.key_env = wandb.key_secret = None
        return ["wandb: disabled in the job, as here by WANDB_DISABLED or WANDB_MODE"]
    if asked == "offline":
        wandb.mode = asked
    if wandb.key_env and not os.environ.get(wandb.key_env):
        raise UserError(f"logger.wandb.key_env={wandb.key_env}: no such environment variable")
    if backend.network_isolation:
        if wandb.mode == "online":
            raise UserError("logger.wandb.mode=online: a job in network isolation reaches no wandb")
        wandb.mode = "offline"
    if wandb.mode != "offline" and wandb.key_env and not wandb.key_secret:
        wandb.key_secret = f"{backend.prefix.strip('/') or 'imdb_cls'}/wandb"
    if wandb.mode == "online" and not wandb.key_secret:
        raise UserError(
            "logger.wandb.mode=online: the job has no key: set logger.wandb.key_secret or"
            " logger.wandb.key_env (docs/sagemaker.md)"
        )
    if wandb.mode == "offline" or not wandb.key_secret:
        return ["wandb: offline in the job; its run comes back for `wandb sync`"]
    stored = f", where the one of ${wandb.key_env} is put" if wandb.key_env else ""
    return [f"wandb: online, with the key {wandb.key_secret} of Secrets Manager{stored}"]


def choose_mlflow(config: Config) -> list[str]:
    """Writes the address of MLflow into the config that the job gets. Returns a line for the plan.
    Raises UserError if the job could not reach it."""
    mlflow, backend = config.logger.mlflow, config.backend
    if mlflow is None or backend is None:
        return []
    uri = address(mlflow) or ""
    if not uri.startswith(("http://", "https://", "arn:")):
        raise UserError(
            f"logger.mlflow.tracking_uri={uri or 'null'}: a job needs a server's address or an ARN:"
            " a file would stay in its container"
        )
    if backend.network_isolation:
        raise UserError("logger=mlflow: a job in network isolation reaches no MLflow")
    mlflow.tracking_uri = uri
    return [f"MLflow: {uri}"]


def send_key(config: Config, aws: AWS) -> None:
    """Stores the key of logger.wandb.key_env as logger.wandb.key_secret; of a secret that is JSON
    only WANDB_API_KEY is changed."""
    wandb = config.logger.wandb
    if wandb is None or not wandb.key_env or wandb.key_secret is None:
        return
    client, wanted = aws.client("secretsmanager"), os.environ[wandb.key_env]
    with explained(f"storing the wandb key as {wandb.key_secret}"):
        try:
            there = str(client.get_secret_value(SecretId=wandb.key_secret).get("SecretString", ""))
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=wandb.key_secret, SecretString=wanted)
            return
        with contextlib.suppress(ValueError):
            if isinstance(values := json.loads(there), dict):
                wanted = json.dumps(values | {VARIABLE: wanted})
        if wanted != there:
            client.put_secret_value(SecretId=wandb.key_secret, SecretString=wanted)
