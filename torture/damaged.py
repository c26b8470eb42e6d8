"""Every file of a run, damaged in every way, before every command that reads runs."""

import itertools
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support.damage import DAMAGES
from torture.cases import Case, End, Kind, Verdict
from torture.lab import Ended, Lab, copied, differences

TEXTS = ("i liked the movie", "what a waste of time", "it was 'fine', no more")
FILES = (
    *("config.yaml", "run.json", "metrics.json", "metrics.csv", "train.log"),
    *("predictions.parquet", "predictions_val.parquet"),
    *("checkpoints/last.ckpt", "checkpoints/previous.ckpt", "checkpoints/best.ckpt"),
    *("checkpoints/sha256.txt", "model/config.json", "model/model.safetensors"),
    *("model/inference.json", "model/tokenizer.json", "model/tokenizer_config.json"),
    "model/model.int8.onnx",
)
# Root reads what nobody may read, unless it gives that up.
_NO_OVERRIDE = """
import ctypes
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
none = (ctypes.c_uint32 * 6)()
ctypes.CDLL(None, use_errno=True).syscall({capset}, header, none)
""".format(capset={"x86_64": 126, "aarch64": 91}.get(os.uname().machine, 126))
# What `launch.endpoint serve` does before it listens.
_SERVED = """
import sys
from pathlib import Path
from imdb_cls import cli
with cli.one_line_errors():
    from launch.serving.server import load
    labeller, _ = load(sys.argv[2], Path(sys.argv[3]), 1)
    print(labeller.probabilities(sys.argv[4:]).tolist())
sys.exit()
"""


@dataclass(frozen=True)
class Command:
    """
    Args:
        base: the run of the lab that it is tried on.
        do: carries it out on a run, in a directory; gives its answer.
    """

    name: str
    base: str
    do: Callable[..., tuple[Ended, Any]]

    def ask(self, lab: Lab, run: Path, path: Path, **options: Any) -> tuple[Ended, Any]:
        ended, answer = self.do(lab, run, path, **options)
        text = json.dumps(answer, default=str)
        return ended, json.loads(text.replace(str(path), "HERE").replace(path.name, "HERE"))

    def due(self, lab: Lab) -> tuple[Any, str]:
        """Its answer where nothing is damaged, and all that it says then."""
        with lab.lock:
            if self.name not in lab.answers:
                path = lab.root / f"due-{self.name}"
                ended, answer = self.ask(lab, self.subject(lab, path), path)
                assert ended.code == 0, ended
                lab.answers[self.name] = answer, _said(ended, answer)
                shutil.rmtree(path)
        return lab.answers[self.name]

    def subject(self, lab: Lab, path: Path) -> Path:
        """A copy of the run that it is tried on."""
        copied(getattr(lab, self.base), path / "run")
        return path / "run" / self.original(lab).relative_to(getattr(lab, self.base))

    def original(self, lab: Lab) -> Path:
        """What is copied: the run itself, or the first trial of the sweep."""
        base: Path = getattr(lab, self.base)
        return base / "0" if self.base == "sweep" else base


def _said(ended: Ended, answer: Any) -> str:
    """All that a user can read: a page is an answer, too."""
    return f"{ended.out}{ended.err}{answer}"


def _resume(lab: Lab, run: Path, path: Path, **options: Any) -> tuple[Ended, Any]:
    ended = lab.run("imdb_cls.train", f"resume={run}", **options)
    return ended, differences(run, lab.plain) if ended.code == 0 else None


def _predict(lab: Lab, run: Path, path: Path, **options: Any) -> tuple[Ended, Any]:
    ended = lab.run("imdb_cls.predict", f"run={run}", *TEXTS, **options)
    return ended, ended.out


def _evaluate(lab: Lab, run: Path, path: Path, **options: Any) -> tuple[Ended, Any]:
    ended = lab.run("imdb_cls.evaluate", f"run={run}", f"output={path / 'tested'}", **options)
    if ended.code:
        return ended, None
    return ended, evaluated(path / "tested")


def evaluated(directory: Path) -> Any:
    """What evaluate has written, but for its pace."""
    metrics = json.loads((directory / "metrics.json").read_text())
    table = pq.read_table(directory / "predictions.parquet").to_pydict()
    timed = ("runtime_s", "samples_per_second", "input", "fingerprint")
    return [{name: value for name, value in metrics.items() if name not in timed}, table]


def _report(lab: Lab, run: Path, path: Path, **options: Any) -> tuple[Ended, Any]:
    page = path / "page.html"
    ended = lab.run("imdb_cls.report", run, f"output={page}", **options)
    return ended, page.read_text() if page.exists() else None


def _export(lab: Lab, run: Path, path: Path, **options: Any) -> tuple[Ended, Any]:
    ended = lab.run("imdb_cls.export", f"run={run}", **options)
    if ended.code:
        return ended, None
    fast = json.loads((run / "metrics.json").read_text())["fast"]
    return ended, [(run / "model" / "inference.json").read_text(), fast]


def _leaderboard(lab: Lab, run: Path, path: Path, **options: Any) -> tuple[Ended, Any]:
    ended = lab.run("imdb_cls.sweep", run.parent, **options)
    table = run.parent / "sweep.csv"
    return ended, [ended.out, table.read_text() if table.exists() else None]


def _serve(lab: Lab, run: Path, path: Path, condition: str = "", **options: Any) -> Any:
    (path / "unpacked").mkdir()
    words = (run, path / "unpacked", *TEXTS)
    # The module is never come to: the condition ends before.
    ended = lab.run("serve", *words, condition=condition + _SERVED, **options)
    return ended, ended.out


COMMANDS = {
    command.name: command
    for command in (
        Command("resume", "cut", _resume),
        Command("predict", "whole", _predict),
        Command("evaluate", "whole", _evaluate),
        Command("report", "whole", _report),
        Command("export", "whole", _export),
        Command("leaderboard", "sweep", _leaderboard),
        Command("serve", "whole", _serve),
    )
}


def _alone(harm: Callable[[Path], object]) -> Callable[[Path, Path], object]:
    """A harm that needs no file of another run."""
    return lambda file, other: harm(file)


HARMS: dict[str, Callable[[Path, Path], object]] = {
    **{name: _alone(harm) for name, harm in DAMAGES.items()},
    "of another run": lambda file, other: shutil.copy(other, file),
    "unreadable": lambda file, other: file.chmod(0),
}


def kinds(lab: Lab, count: int) -> list[Kind]:
    """A row a command; `count` cases in all, and each harm of each file at least once if there are
    enough."""
    chance = random.Random(f"{lab.seed} damaged")
    pairs = [(file, harm) for file in FILES for harm in HARMS]
    every = [
        (pair, command.name)
        for pair, command in itertools.product(pairs, COMMANDS.values())
        if (command.original(lab) / pair[0]).exists()
    ]
    chance.shuffle(every)
    first = dict(reversed(every))
    chosen = list(first.items()) + [one for one in every if first[one[0]] != one[1]]
    rows: dict[str, list[Case]] = {name: [] for name in COMMANDS}
    for (file, harm), name in chosen[:count]:
        judge = partial(_judge, lab, COMMANDS[name], file, harm)
        rows[name].append(Case(f"{name}, {file} {harm}", judge))
    return [Kind(f"damaged file, then {name}", iter(cases)) for name, cases in rows.items()]


def _judge(lab: Lab, command: Command, name: str, harm: str, path: Path) -> Verdict:
    run = command.subject(lab, path)
    HARMS[harm](run / name, lab.other / name)
    before = _listed(run)
    condition = _NO_OVERRIDE if harm == "unreadable" else ""
    ended, answer = command.ask(lab, run, path, condition=condition)
    return _judged(ended, answer, command.due(lab), run, name, before)


def _judged(
    ended: Ended, answer: Any, due: tuple[Any, str], run: Path, file: str, before: set[str]
) -> Verdict:
    """
    Args:
        file: what is damaged; a line that names it tells of it.
        before: what the run held when the command began.
    """
    if ended.crash and not ended.told:
        return Verdict(End.TRACEBACK, ended.crash)
    if ended.refused:
        # A log may say more; nothing else may have begun.
        changed = (before ^ _listed(run)) - {"train.log"}
        if changed:
            return Verdict(End.DIFFERENT, f"refused, but made or removed {sorted(changed)}")
        return Verdict(End.REFUSED)
    if answer == due[0] and ended.code == 0:
        return Verdict(End.SAME)
    name = Path(file).name
    if _said(ended, answer).count(name) > due[1].count(name):
        return Verdict(End.TOLD)
    pairs = enumerate(zip(str(answer), str(due[0]), strict=False))
    begin = max(0, next((at for at, (one, other) in pairs if one != other), 0) - 40)
    found, wanted = (str(text)[begin : begin + 200] for text in (answer, due[0]))
    return Verdict(End.SILENT, f"{found} in place of {wanted}; it says {ended.err[-300:]}")


def _listed(run: Path) -> set[str]:
    return {p.relative_to(run).as_posix() for p in run.rglob("*")}
