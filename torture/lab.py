"""Where commands are tried: processes, and the runs that what they do is compared with.

A command is a fork of a process that has the libraries loaded (tests/support/warm.py), unless it is
said to be fresh: to load them takes 8 seconds of a core.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq

from imdb_cls.storage import sha256_of
from tests.support import warm
from tests.support.runs import files_of, metrics_of, read, values

REPOSITORY = Path(__file__).parents[1]
# A process that takes longer hangs.
_LIMIT_S = 900
# Small, but with every part of a run. The first validation is the best: a run that forgets it ends
# with another model.
_TINY = (
    *("data=imdb_packaged", "data.train_size=96", "data.val_size=40", "data.test_size=50"),
    *("data.max_length=32", "data.batch_size=16", "data.eval_batch_size=16"),
    *("trainer.max_epochs=3", "trainer.accelerator=cpu", "trainer.precision=32-true"),
    *("trainer.log_every_n_steps=2", "trainer.checkpoint_minutes=0.01", "logger=none"),
    *("reference=null", "model=distilbert", "model.pretrained.source=local"),
    *("metric=val/loss", "model.learning_rate=0.05"),
)
PLAIN = ("export=false", "report=false")
_MODEL = "from pathlib import Path; from tests.support.models import make_tiny; import sys;"
# A program that runs a module under a condition.
_UNDER = """
import runpy, sys
{condition}
sys.argv[:] = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    killed: bool = False
    """Whether we ended it."""

    @property
    def refused(self) -> bool:
        """One line on stderr, notices before it aside, and exit code 2."""
        errors = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return self.code == 2 and len(errors) == 1 and self.err.rstrip().endswith(errors[0])

    @property
    def told(self) -> bool:
        """It did a part, and has to say what it left out: exit code 1."""
        return self.code == 1 and "Traceback" not in self.out + self.err

    @property
    def crash(self) -> str | None:
        """What no command may end with."""
        said = self.out + self.err
        if "Traceback (most recent call last)" in said:
            return said[said.index("Traceback") :][-1500:]
        if self.code == 0 or self.refused:
            return None
        return f"exit code {self.code}: {self.err[-800:] or self.out[-300:]}"


def _ignore_sigint() -> None:
    """Until the fork stands for its process, which Ctrl-C would end with a traceback of Python's
    own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass
class Lab:
    root: Path
    seed: int
    tiny: list[str] = field(default_factory=list)
    """Overrides of the run that is tried; by default those above."""
    fault: str = ""
    """Python that every command carries out first, to see whether it is noticed."""
    python: list[str] = field(default_factory=list)
    """The first words of a command: by default those of a server that has the libraries loaded."""
    environment: dict[str, str] = field(init=False)
    answers: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """What each command answers, and says, where nothing is damaged."""
    lives: dict[tuple[bool, bool], float] = field(default_factory=dict)
    """Seconds that an undisturbed training lives, by how it is run."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.tiny = self.tiny or [*_TINY, f"model.pretrained.name={self.root}/model"]
        if self.python:
            self.environment = dict(os.environ)
            return
        here = {name: text for name, text in os.environ.items() if not name.startswith("WANDB")}
        self.environment = {
            **here,
            "OMP_NUM_THREADS": "1",
            # The code of the same checkout, wherever the installed one is.
            "PYTHONPATH": str(REPOSITORY),
            "IMDB_CLS_CACHE": str(self.root / "cache"),
            "NETRC": str(self.root / "no-netrc"),
        }
        with mock.patch.dict(os.environ, self.environment):
            self.python = warm.python(str(self.root / "warm"))

    def run(
        self,
        module: str,
        *words: object,
        kill: tuple[int, float] | None = None,
        fresh: bool = False,
        condition: str = "",
        stdin: str = "",
        cwd: Path = REPOSITORY,
        variables: Mapping[str, str] | None = None,
    ) -> Ended:
        """Carries out `python -m module words`.

        Args:
            kill: a signal, and the seconds after which it is sent.
            condition: Python that the process carries out first.
        """
        first = f"{self.fault}\n{condition}".strip()
        flag = ["-c", _UNDER.format(condition=first)] if first else ["-m"]
        begin = [sys.executable] if fresh else self.python
        signum, seconds = kill or (signal.SIGKILL, float(_LIMIT_S))
        process = subprocess.Popen(
            [*begin, *flag, module, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**self.environment, **(variables or {})},
            preexec_fn=_ignore_sigint if signum == signal.SIGINT and not fresh else None,
        )
        try:
            out, err = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signum)
        else:
            return Ended(process.returncode, out, err)
        try:
            out, err = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return Ended(-1, out, f"{err}\nno end after {_LIMIT_S} s")
        return Ended(process.returncode, out, err, killed=kill is not None)

    def must(self, module: str, *words: object, **options: Any) -> Ended:
        """The same for what is not tried but needed."""
        ended = self.run(module, *words, **options)
        if ended.code:
            raise RuntimeError(f"{module} {' '.join(map(str, words))}: {ended.err or ended.out}")
        return ended

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """root/name, which is made at its first use."""
        path = self.root / name
        if not path.exists():
            make(path)
        return path

    def prepare(self) -> None:
        """Makes what the cases share, before they run side by side."""
        if not (self.root / "model").exists():
            program = f"{_MODEL} make_tiny(Path({str(self.root / 'model')!r})); sys.exit()"
            self.run("json.tool", condition=program)
        _ = self.whole, self.plain, self.other, self.cut, self.sweep

    @property
    def whole(self) -> Path:
        """A run that nothing happened to, with its fast model and its page."""
        return self.made("whole", lambda path: self.train(path))

    @property
    def plain(self) -> Path:
        """The same without these two."""
        return self.made("plain", lambda path: self.train(path, *PLAIN))

    @property
    def other(self) -> Path:
        """Another run of the same shape."""
        return self.made("other", lambda path: self.train(path, "seed=9"))

    @property
    def cut(self) -> Path:
        """`plain`, stopped in its last epoch."""
        return self.made("cut", self._cut)

    @property
    def sweep(self) -> Path:
        """A sweep of two trials."""
        return self.made("sweep", lambda path: self.train(path, "seed=1,2", *PLAIN))

    def train(self, path: Path, *overrides: str) -> None:
        self.must("imdb_cls.train", *self.words(path, *overrides))

    def words(self, path: Path, *overrides: str) -> list[str]:
        """What trains the tiny run into a directory: a sweep, if there are two seeds."""
        if any("," in override for override in overrides):
            return ["-m", *self.tiny, *overrides, f"hydra.sweep.dir={path}"]
        return [*self.tiny, *overrides, f"hydra.run.dir={path}"]

    def _cut(self, path: Path) -> None:
        """Ends it as SIGTERM would, after 15 of its 18 steps."""
        condition = (
            "from pytorch_lightning import Trainer\n"
            "from imdb_cls.training import checkpoints as c\n"
            "end = c.LastCheckpoint.on_train_batch_end\n"
            "def stop(self, trainer, *given):\n"
            "    if trainer.global_step == 15: self._signum = 15\n"
            "    end(self, trainer, *given)\n"
            "c.LastCheckpoint.on_train_batch_end = stop"
        )
        ended = self.run("imdb_cls.train", *self.words(path, *PLAIN), condition=condition)
        assert ended.code == 128 + signal.SIGTERM, ended


def differences(run: Path, reference: Path) -> list[str]:
    """What a run has otherwise than its reference, but for what depends on the clock."""
    # How often a run saves depends on its pace.
    there, due = (files_of(path) - {"checkpoints/previous.ckpt"} for path in (run, reference))
    if there != due:
        return [f"files: {', '.join(sorted(there ^ due))}"]
    found = [
        *(["metrics.json"] * (metrics_of(run) != metrics_of(reference))),
        *(["metrics.csv"] * (values(run) != values(reference))),
        *(["run.json's status"] * (read(run, "run.json")["status"] != "completed")),
    ]
    for name in ("predictions.parquet", "predictions_val.parquet"):
        if not pq.read_table(run / name).equals(pq.read_table(reference / name)):
            found.append(name)
    for name in sorted(due):
        if name.startswith("model/") and sha256_of(run / name) != sha256_of(reference / name):
            found.append(name)
    return found


def copied(source: Path, target: Path) -> Path:
    """A copy of a run directory."""
    return Path(shutil.copytree(source, target, symlinks=True))
