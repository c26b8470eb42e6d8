"""Disks that are full while something is written, and caches that are damaged."""

import itertools
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.support.damage import DAMAGES
from torture.cases import Case, End, Kind, Verdict
from torture.damaged import COMMANDS
from torture.lab import PLAIN, Lab, differences

# What a run writes, and a little more.
_BYTES = 40_000_000
_LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, resource.RLIM_INFINITY))"


def kinds(lab: Lab, count: int) -> list[Kind]:
    """
    Args:
        count: of runs on a full disk; of caches it is twice that.
    """
    forms: list[tuple[str, Callable[..., Verdict]]] = [
        ("no file may grow beyond a size (EFBIG), then resume", _limited)
    ]
    if may_mount(lab.root):
        forms.append(("full disk (ENOSPC), then resume", _full))
    found = [Kind(name, _cases(lab, name, judge), count) for name, judge in forms]
    caches = [
        Case(f"{command}, {file} {harm}", partial(_cache, lab, command, file, harm))
        for command in ("train", "evaluate")
        for file in ("reviews", "tokens", "seal")
        for harm in (*DAMAGES, "missing")
    ]
    random.Random(f"{lab.seed} caches").shuffle(caches)
    return [*found, Kind("damaged cache, then train or evaluate", iter(caches), 2 * count)]


def _cases(lab: Lab, kind: str, judge: Callable[..., Verdict]) -> Iterator[Case]:
    for number in itertools.count(1):
        chance = random.Random(f"{lab.seed} {kind} {number}")
        yield Case(f"{kind}, number {number}", partial(judge, lab, chance))


def may_mount(root: Path) -> bool:
    """Whether this process may have a small disk of its own."""
    (root / "mount").mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", root / "mount"], capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", root / "mount"], check=True)
    return done.returncode == 0


def _limited(lab: Lab, chance: random.Random, path: Path) -> Verdict:
    size = int(10 ** chance.uniform(1, 6.9))
    return _trained(lab, chance, path, path / "run", _LIMIT.format(size), lambda: None)


def _full(lab: Lab, chance: random.Random, path: Path) -> Verdict:
    disk = path / "disk"
    disk.mkdir()
    size = max(4096, int(_BYTES * chance.random()))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
    larger = ["mount", "-o", "remount,size=300m", str(disk)]
    try:
        return _trained(
            lab, chance, path, disk / "run", "", lambda: subprocess.run(larger, check=True)
        )
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def _trained(
    lab: Lab,
    chance: random.Random,
    path: Path,
    run: Path,
    condition: str,
    mend: Callable[[], object],
) -> Verdict:
    """Trains under a condition, mends it, and goes on."""
    plain = chance.random() < 0.5
    words = lab.words(run, *(PLAIN if plain else ()))
    # The cache is on the same disk every other time.
    variables = {"IMDB_CLS_CACHE": str(run.parent / "cache")} if chance.random() < 0.3 else {}
    first = lab.run("imdb_cls.train", *words, condition=condition, variables=variables)
    if first.crash:
        return Verdict(End.TRACEBACK, first.crash)
    mend()
    again = [f"resume={run}"] if (run / "run.json").exists() else words
    second = lab.run("imdb_cls.train", *again, variables=variables)
    if second.code:
        return Verdict(End.TRACEBACK, second.crash or f"cannot go on: {second.err}")
    found = differences(run, lab.plain if plain else lab.whole)
    if found:
        return Verdict(End.DIFFERENT, f"{', '.join(found)}; first: {first.err[-400:]}")
    return Verdict(End.REFUSED if first.refused else End.SAME)


def _cache(lab: Lab, command: str, file: str, harm: str, path: Path) -> Verdict:
    """Damages one file of a cache that a run has filled."""
    cache = Path(shutil.copytree(lab.environment["IMDB_CLS_CACHE"], path / "cache"))
    ending = {"reviews": "imdb*.arrow", "tokens": "*/*.arrow", "seal": "*.sha256"}[file]
    chosen = sorted(p for p in cache.rglob("*") if p.is_file() and p.match(ending))
    if not chosen:
        chosen = sorted(p for p in cache.rglob("*") if p.is_file() and p.match("*.arrow"))
    for one in chosen:
        if harm == "missing":
            one.unlink()
        else:
            DAMAGES[harm](one)
    variables = {"IMDB_CLS_CACHE": str(cache)}
    if command == "evaluate":
        tested = COMMANDS["evaluate"]
        run = tested.subject(lab, path)
        ended, answer = tested.ask(lab, run, path, variables=variables)
        found = [] if answer == tested.due(lab)[0] else ["the answer"]
    else:
        run = path / "run"
        ended = lab.run("imdb_cls.train", *lab.words(run, *PLAIN), variables=variables)
        found = differences(run, lab.plain) if ended.code == 0 else []
    if ended.crash:
        return Verdict(End.TRACEBACK, ended.crash)
    if ended.refused:
        return Verdict(End.REFUSED)
    return Verdict(End.SILENT, ", ".join(found)) if found else Verdict(End.SAME)
