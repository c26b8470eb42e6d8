"""Where the key for Weights & Biases comes from, and its mode."""

import json
import netrc
import os
from urllib.parse import urlparse

from imdb_cls.config import WandbConfig
from imdb_cls.errors import UserError, one_line
from imdb_cls.training.loggers.aws import region

VARIABLE = "WANDB_API_KEY"
# What WANDB_MODE may say, and what it means.
_MODES = {"online": "online", "offline": "offline", "disabled": "disabled"}
_MODES |= {"run": "online", "dryrun": "offline"}


def asked_mode(settings: WandbConfig) -> str | None:
    """The mode that the config asks for, else WANDB_DISABLED or WANDB_MODE: online, offline or
    disabled; None if they say nothing. Raises UserError for a mode that wandb does not have."""
    if settings.mode != "auto":
        return settings.mode
    if os.environ.get("WANDB_DISABLED", "").lower() in ("true", "t", "yes", "y", "on", "1"):
        return "disabled"
    asked = os.environ.get("WANDB_MODE")
    if asked and asked not in _MODES:
        raise UserError(f"WANDB_MODE={asked}: allowed are {', '.join(_MODES)}")
    return _MODES[asked] if asked else None


def job_variables() -> dict[str, str]:
    """The variable by which a job's wandb is offline or disabled where it is so here. What makes it
    online is its key (launch/training/tracking.py)."""
    asked = asked_mode(WandbConfig())
    return {"WANDB_MODE": asked} if asked in ("offline", "disabled") else {}


def mode(settings: WandbConfig) -> str:
    """The mode that is asked for, else never one in which wandb would ask for a key."""
    return asked_mode(settings) or ("online" if has_key() else "offline")


def has_key() -> bool:
    """Whether there is a key in WANDB_API_KEY or in the netrc file that `wandb login` writes."""
    if os.environ.get(VARIABLE):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def provide(settings: WandbConfig) -> None:
    """Copies the key that the config points to into the environment, where wandb looks for it. If
    there is none at that place, raises UserError with logger.wandb.mode=online, else warns."""
    if os.environ.get(VARIABLE) or asked_mode(settings) in ("offline", "disabled"):
        return
    key = os.environ.get(settings.key_env) if settings.key_env else None
    problem = f"logger.wandb.key_env={settings.key_env}: no such environment variable"
    if not key and settings.key_secret:
        try:
            key = _from_secrets_manager(settings.key_secret)
        except Exception as error:
            problem = f"logger.wandb.key_secret={settings.key_secret}: {one_line(error)}"
    if key:
        os.environ[VARIABLE] = key
    elif settings.key_env or settings.key_secret:
        if settings.mode == "online":
            raise UserError(problem)
        print(f"WARNING wandb offline: {problem}", flush=True)


def _from_secrets_manager(name: str) -> str:
    """The key in a secret, which is the key itself or JSON with WANDB_API_KEY in it."""
    import boto3

    client = boto3.Session(region_name=region(None)).client("secretsmanager")
    text = str(client.get_secret_value(SecretId=name)["SecretString"])
    try:
        values = json.loads(text)
    except ValueError:
        return text.strip()
    return str(values[VARIABLE]) if isinstance(values, dict) else text.strip()
