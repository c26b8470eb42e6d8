"""Processes that are killed at a random moment of their life, and what becomes of their work."""

import itertools
import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from torture.cases import Case, End, Kind, Verdict
from torture.lab import PLAIN, Ended, Lab, differences

# After so many kills a run is left alone, so that it comes to its end.
_MOST = 8
Chance = random.Random


def kinds(lab: Lab, kills: int) -> list[Kind]:
    """The rows of the table that are about kills."""
    rows: list[tuple[str, float, Callable[..., Verdict], dict[str, Any]]] = [
        ("SIGKILL of a training, then resume", 0.75, _training, {}),
        ("SIGKILL of a whole new process, then resume", 0.02, _training, {"fresh": True}),
        ("SIGTERM, then resume", 0.05, _training, {"signum": signal.SIGTERM}),
        ("SIGINT, then resume", 0.05, _training, {"signum": signal.SIGINT}),
        ("SIGKILL of a sweep, then the same command", 0.13, _sweep, {}),
        ("SIGKILL of evaluate, export, report, then again", 0.1, _later, {}),
    ]
    return [
        Kind(name, _cases(lab, name, partial(judge, lab, **options)), max(1, round(kills * share)))
        for name, share, judge, options in rows
    ]


def _cases(lab: Lab, kind: str, judge: Callable[..., Verdict]) -> Iterator[Case]:
    for number in itertools.count(1):
        chance = Chance(f"{lab.seed} {kind} {number}")
        yield Case(f"{kind}, number {number}", partial(judge, chance))


def _training(
    lab: Lab, chance: Chance, path: Path, signum: int = signal.SIGKILL, fresh: bool = False
) -> Verdict:
    """Kills a training and what goes on with it, until it ends; moves it sometimes."""
    plain = chance.random() < 0.5
    reference, extra = (lab.plain, PLAIN) if plain else (lab.whole, ())
    run, moments = path / "run", list[str]()
    words = lab.words(run, *extra)
    for number in range(_MOST + 1):
        after = chance.random() * _life(lab, fresh, plain)
        kill = (signum, after) if number < _MOST else None
        ended = lab.run("imdb_cls.train", *words, kill=kill, fresh=fresh)
        if not ended.killed and ended.code == 0:
            break
        if not ended.killed or _said_too_much(ended, signum):
            return Verdict(End.TRACEBACK, ended.crash or ended.err, len(moments) + 1)
        moments.append(_moment(run))
        if (run / "run.json").exists():
            if chance.random() < 0.3:
                run = run.rename(path / f"moved-{number}")
            words = [f"resume={run}"]
    found = differences(run, reference)
    if found:
        return Verdict(End.DIFFERENT, ", ".join(found), max(1, len(moments)))
    return Verdict(End.SAME, "; ".join(moments), len(moments))


def _life(lab: Lab, fresh: bool, plain: bool) -> float:
    """Seconds that an undisturbed training lives; measured once."""
    with lab.lock:
        if (fresh, plain) not in lab.lives:
            began, target = time.monotonic(), lab.root / f"life-{fresh}-{plain}"
            words = lab.words(target, *(PLAIN if plain else ()))
            lab.must("imdb_cls.train", *words, fresh=fresh)
            lab.lives[fresh, plain] = time.monotonic() - began
            shutil.rmtree(target)
        return lab.lives[fresh, plain]


def _said_too_much(ended: Ended, signum: int) -> bool:
    """Whether a signal that may be answered was answered with more than its exit code."""
    allowed = {-signum, 128 + signum, 0}
    return "Traceback" in ended.err or (signum != signal.SIGKILL and ended.code not in allowed)


def _moment(run: Path) -> str:
    """What a run was at, as its files tell."""
    if any(run.rglob(".*")):
        return "writing a file"
    if not (run / "run.json").exists():
        return "starting"
    if not (run / "checkpoints" / "last.ckpt").exists():
        return "before the first checkpoint"
    if not (run / "model" / "config.json").exists():
        return "training"
    if json.loads((run / "run.json").read_text())["status"] != "completed":
        return "testing"
    return "exporting, writing its page, or ending"


def _sweep(lab: Lab, chance: Chance, path: Path) -> Verdict:
    words = lab.words(path / "sweep", "seed=1,2", *PLAIN)
    kills = 0
    while True:
        after = chance.random() * 2 * _life(lab, False, True)
        kill = (signal.SIGKILL, after) if kills < _MOST else None
        ended = lab.run("imdb_cls.train", *words, kill=kill)
        if not ended.killed:
            break
        kills += 1
    if ended.crash or ended.code:
        return Verdict(End.TRACEBACK, ended.crash or ended.err, max(1, kills))
    found = [
        f"{number}: {one}"
        for number in ("0", "1")
        for one in differences(path / "sweep" / number, lab.sweep / number)
    ]
    end = End.DIFFERENT if found else End.SAME
    return Verdict(end, ", ".join(found), max(1, kills) if found else kills)


def _later(lab: Lab, chance: Chance, path: Path) -> Verdict:
    """Kills evaluate, export or report of a complete run, and carries it out once more."""
    from torture.damaged import COMMANDS

    command = COMMANDS[chance.choice(["evaluate", "export", "report"])]
    run = Path(shutil.copytree(lab.whole, path / "run"))
    # From the lives that were seen: report is the longest of them.
    ended, _ = command.ask(lab, run, path, kill=(signal.SIGKILL, chance.random() * 4))
    if ended.crash and not ended.killed:
        return Verdict(End.TRACEBACK, ended.crash)
    again, answer = command.ask(lab, run, path)
    if again.crash or again.code:
        return Verdict(End.TRACEBACK, again.crash or again.err)
    found = differences(run, lab.whole) if command.name != "evaluate" else []
    if answer != command.due(lab)[0] or found:
        return Verdict(End.DIFFERENT, f"{command.name}: {', '.join(found)}")
    return Verdict(End.SAME, tried=int(ended.killed))
