"""Where Weights & Biases keeps its files on this machine."""

import os
import shlex
from pathlib import Path

from imdb_cls.config import WandbConfig


def directory(settings: WandbConfig) -> Path:
    """Where its wandb/ lies."""
    return Path(settings.dir or os.environ.get("WANDB_DIR") or ".")


def sync_command(settings: WandbConfig, wandb_id: str) -> str | None:
    """What sends the offline runs of this id, one for each time that a run went on; None: there are
    none."""
    found = sorted(directory(settings).glob(f"wandb/offline-run-*-{wandb_id}"))
    return shlex.join(["wandb", "sync", *map(str, found)]) if found else None
