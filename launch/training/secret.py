"""The wandb key of a job, which reads it in Secrets Manager; it is never in a request."""

import json
import os

from imdb_cls.config import Config, WandbConfig
from imdb_cls.errors import UserError
from imdb_cls.training.loggers.wandb_key import VARIABLE, asked_mode
from launch.aws.client import AWS, explained


def choose_mode(config: Config) -> list[str]:
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
    if wandb.key_env and not _key(wandb):
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


def send(config: Config, aws: AWS) -> None:
    """Stores the key of logger.wandb.key_env as logger.wandb.key_secret; of a secret that is JSON
    only WANDB_API_KEY is changed."""
    wandb = config.logger.wandb
    key = _key(wandb) if wandb else None
    if wandb is None or key is None or wandb.key_secret is None:
        return
    client = aws.client("secretsmanager")
    with explained(f"storing the wandb key as {wandb.key_secret}"):
        try:
            there = str(client.get_secret_value(SecretId=wandb.key_secret).get("SecretString", ""))
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=wandb.key_secret, SecretString=key)
            return
        wanted = _with_key(there, key)
        if wanted != there:
            client.put_secret_value(SecretId=wandb.key_secret, SecretString=wanted)


def _with_key(there: str, key: str) -> str:
    try:
        values = json.loads(there)
    except ValueError:
        return key
    return json.dumps(values | {VARIABLE: key}) if isinstance(values, dict) else key


def _key(wandb: WandbConfig) -> str | None:
    return os.environ.get(wandb.key_env) if wandb.key_env else None
