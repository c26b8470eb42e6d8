"""YAML files of runs: written, and read where strangers may have written them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from imdb_cls.config import CONF_DIR, Config
from imdb_cls.errors import UserError, translated
from imdb_cls.storage import read_file

# PyYAML's parser in C, where it was built, takes a tenth of the time.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises UserError if there is none, or the file is damaged."""
    text = read_file(file)
    with translated(f"{file} is damaged", yaml.YAMLError, ValueError, RecursionError):
        # A few lines of aliases (*name) stand for gigabytes.
        if b"*" in text and any(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text, _Loader)):
            raise ValueError("it has aliases")
        content = yaml.load(text, _Loader)
    if not isinstance(content, dict):
        raise UserError(f"{file} is damaged: it is not a mapping")
    return content


def to_yaml(config: Config) -> str:
    """config.yaml: resolved, and with conf/train.yaml's own `hydra` part, so that
    `--config-dir <run> --config-name config` places and records the run as the first one was."""
    hydra = yaml.safe_load((CONF_DIR / "train.yaml").read_text(encoding="utf-8"))["hydra"]
    values = asdict(config)
    values["logger"] = {name: own for name, own in values["logger"].items() if own is not None}
    # Where it ran, and in which sweep, is in run.json: the config trains the same run anywhere.
    del values["backend"], values["sweep"]
    # OmegaConf puts into quotes what its own loader, and so Hydra, would take for a number.
    return OmegaConf.to_yaml(OmegaConf.create({**values, "resume": None, "hydra": hydra}))
