"""What decides the numbers of a run, as one hash, and which code and packages it ran."""

import ast
import contextlib
import functools
import hashlib
import json
import platform
import subprocess
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from imdb_cls.config import Config
from imdb_cls.runs.info import Resolved

_PACKAGE = Path(__file__).parents[1]
_PACKAGES = (
    *("torch", "pytorch-lightning", "transformers", "tokenizers", "datasets", "torchmetrics"),
    *("hydra-core", "numpy", "imdb_cls"),
)


# The source that shapes a run's numbers. Where the reviews and the weights come from is not in it:
# both are known by their content. Nor is what only reads, shows, exports or sends a run.
SHAPES_NUMBERS = (
    "config/steps.py",
    *(f"data/{name}.py" for name in ("crops", "module", "samplers", "tokens")),
    *(f"inference/{name}.py" for name in ("attention", "forward", "labeller", "network")),
    "inference/padding.py",
    *(f"inference/{name}.py" for name in ("shape", "tokenizer")),
    *(f"model/{name}.py" for name in ("calibration", "classifier", "device", "evaluation")),
    *(f"model/{name}.py" for name in ("from_bert", "metrics", "optim", "pretrained")),
    *(f"training/{name}.py" for name in ("checkpoints", "fit", "prepare", "trainer")),
    "training/test_split.py",
)

# Keys that do not change what comes out of a run.
WITHOUT_EFFECT = (
    *("logger", "cache_dir", "resume", "reference", "container", "backend", "sweep"),
    *("export", "report"),
    *("trainer.progress", "trainer.log_every_n_steps", "trainer.checkpoint_minutes"),
)
# Whether another source may stand in is no part of what was taken in the end. How a file is read
# shows in the reviews.
_KNOWN_BY_CONTENT = (
    *("data.splits", "data.fallback", "data.separator", "data.negative", "data.positive"),
    *("model.pretrained.path", "model.pretrained.fallback"),
)


def fingerprint(config: Config, resolved: Resolved) -> str:
    """What decides the result, as 16 hex digits: the config without paths, loggers and backend, the
    reviews and weights that it resolved to, and the package's own source."""
    left_out = [*WITHOUT_EFFECT, *_KNOWN_BY_CONTENT]
    if config.data.source in ("files", "arrow", "acl_imdb"):
        left_out += ["data.train", "data.val", "data.test", "data.path"]
    if config.model.pretrained.source == "local":
        left_out.append("model.pretrained.name")
    values = asdict(config)
    for key in left_out:
        *groups, name = key.split(".")
        del functools.reduce(dict.__getitem__, groups, values)[name]
    content = [values, resolved.data_fingerprint, resolved.weights_sha256]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode() + code().encode())
    return digest.hexdigest()[:16]


@functools.cache
def code(package: Path = _PACKAGE) -> str:
    """The source that shapes a run's numbers, as 16 hex digits. Comments, docstrings and the words
    of errors are no part of it: rewording them makes no finished trial run again."""
    digest = hashlib.sha256()
    for name in SHAPES_NUMBERS:
        tree = _WithoutWords().visit(ast.parse((package / name).read_text(encoding="utf-8")))
        digest.update(ast.unparse(tree).encode())
    return digest.hexdigest()[:16]


# Calls whose arguments are words for people.
_SPEAKING = ("UserError", "say", "translated", "warn")


class _WithoutWords(ast.NodeTransformer):
    """Takes out docstrings, and what people are told."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        words = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if words else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
        if name in _SPEAKING:
            node.args = []
        return self.generic_visit(node)


def versions() -> dict[str, str]:
    known = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            known[package] = metadata.version(package)
    return known


def git_commit() -> str | None:
    """The commit of the checkout that runs, "-dirty" if files differ from it; None if installed."""

    def git(*words: str) -> str:
        # Otherwise git writes its index anew, and leaves a lock that ends every commit if it is
        # killed. `describe --dirty` would do so in spite of it.
        command = ["git", "--no-optional-locks", "-C", str(_PACKAGE), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if not git("ls-files", "train.py"):
            return None
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + "-dirty" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return None
