"""Words of a command line that nobody should type."""

import random
from functools import partial
from pathlib import Path

import yaml

from torture.cases import Case, End, Kind, Verdict
from torture.lab import PLAIN, Lab

_KEYS = (
    *("logger", "data", "model", "trainer", "sweep", "resume", "seed", "metric", "report"),
    *("data.max_length", "data.batch_size", "data.train_size", "data.head_fraction"),
    *("data.path", "data.separator", "data.positive", "data.text", "model.learning_rate"),
    *("model.pretrained", "model.pretrained.name", "model.dropout", "trainer.max_epochs"),
    *("trainer.devices", "trainer.precision", "trainer.val_check_interval", "cache_dir"),
    *("hydra.run.dir", "hydra.job.name", "hydra", "backend.tags", "+backend", "+new.key", "~data"),
)
_VALUES = (
    *("null", "[]", "{}", "true", "-1", "0", "1e400", "nan", "-inf", "1_000_000_000_000", ""),
    *("''", "[none,null]", "{a: 1}", "${oc.env:HOME}", "${seed}", "${nothing}", "???", "a,b"),
    *("../../../etc/passwd", "/dev/full", "/proc/self/mem", "\x1b[31mred", "\u202eabc", "é"),
    *("[", "{", "'", '"', "a=b=c", "%s%n", "x" * 5000, "[[[[[[[[[[" * 50, "1;rm -rf /"),
    *("<script>alert(1)</script>", "[/red]", "0x10", "0.1.2", "\t", "\n", "\u2028", "NaN"),
)
_WORDS = (
    *("", "=", "==", "=x", "a", "--", "-", "-x", "--resume=x", "-m", "--multirun", "--cfg"),
    *("--config-dir=/nowhere", "--config-name=x", "-cd", "--help=x", "~", "+", "++", "@", "data@x"),
    *("data=/etc/passwd", "data=../../x", "model=base", "experiment=nothing", "é=ü", "\x00"[:0]),
)


def kinds(lab: Lab, count: int) -> list[Kind]:
    chance = random.Random(f"{lab.seed} overrides")
    typed = [f"{key}={value}" for key in _KEYS for value in _VALUES]
    chosen = [*_WORDS, *chance.sample(typed, max(0, count - len(_WORDS)))][:count]
    cases = [Case(f"train {word[:60]!r}", partial(_judge, lab, word)) for word in chosen]
    return [Kind("hostile override", iter(cases))]


def _judge(lab: Lab, word: str, path: Path) -> Verdict:
    """A word is refused and leaves nothing, or is taken: it stands in the run's config.yaml."""
    run = path / "run"
    shorter = ("trainer.max_epochs=1", "data.train_size=16", "data.val_size=16", "data.test_size=8")
    ended = lab.run("imdb_cls.train", *lab.words(run, *PLAIN, *shorter), word, cwd=path)
    if ended.crash:
        return Verdict(End.TRACEBACK, ended.crash)
    if ended.refused:
        left = [p.name for p in run.iterdir()] if run.exists() else []
        begun = (run / "run.json").exists()
        if left and not begun:
            return Verdict(End.DIFFERENT, f"refused, and left {left}: {ended.err}")
        return Verdict(End.REFUSED)
    if not (run / "config.yaml").exists():  # help, or a config that was only shown
        return Verdict(End.SAME if ended.out else End.SILENT, "")
    config = yaml.safe_load((run / "config.yaml").read_text())
    key, _, value = word.lstrip("+").partition("=")
    stored = config
    for name in key.split("."):
        stored = stored.get(name) if isinstance(stored, dict) else None
    elsewhere = key.startswith("hydra") or "${" in value or isinstance(stored, dict)
    if elsewhere or _typed(value) in (stored, str(stored)) or value in str(stored):
        return Verdict(End.SAME)
    return Verdict(End.SILENT, f"{word!r} is taken as {stored!r}")


def _typed(value: str) -> object:
    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError):
        return value
