"""The key=value overrides of a Hydra command, as text."""

import os
import re
from collections.abc import Sequence
from typing import Any, cast, get_args

from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls.config.parse import CONF_DIR, known_keys
from imdb_cls.errors import UserError, translated

# What Hydra reads as it is typed, whatever the key; all else is looked at.
_PLAIN = re.compile(r"[A-Za-z0-9/._@+-]+")
# What Hydra reads as a number or a truth, and so may write in another way.
_NO_TEXT = re.compile(r"[-+.\d_e]+|[-+]?(inf|nan)|true|false|null", re.IGNORECASE)
# Keys whose values are paths: a file's own name comes before anything else that it could mean.
_PATHS = (
    *("data.train", "data.val", "data.test", "data.path", "model.pretrained.name", "resume"),
    *("cache_dir", "hydra.run.dir", "hydra.sweep.dir"),
)
# Their keys are the user's own, which Hydra takes with plus signs only.
_MAPPINGS = re.compile(r"((backend\.)?tags)(\..+)?")

# Keys whose values are texts, whatever they look like.
_TEXTS = re.compile(
    "|".join(
        [re.escape(key) for key, kind in known_keys().items() if str in (kind, *get_args(kind))]
        + [re.escape(key) for key in _PATHS]
        + [r"(backend\.)?tags\..+"]
    )
)

_SEVERAL = ("-m", "--multirun")


def readable(words: list[str]) -> list[str]:
    """The words of a command line so that Hydra understands them: what its grammar cannot read is
    put in quotes, such as names with brackets, quotes, # or é. Raises UserError for what is no
    key=value, and for a group that is set to what is no option. -m may stand among overrides."""
    words = sorted(words, key=lambda word: word not in _SEVERAL)
    several = any(word in _SEVERAL for word in words)
    groups = {path.name for path in CONF_DIR.iterdir() if path.is_dir()}
    flags = get_args_parser()._option_string_actions  # those without a value have nargs 0
    behind_flag = [False, *(word in flags and flags[word].nargs != 0 for word in words)]
    return [
        word if word.startswith("-") or is_its_value else _readable(word, several, groups)
        for word, is_its_value in zip(words, behind_flag, strict=False)
    ]


def _readable(word: str, several: bool, groups: set[str]) -> str:
    key, equals, value = word.partition("=")
    if equals and _MAPPINGS.fullmatch(key):
        word, key = f"++{word}", f"++{key}"
    if not key or _parsed(f"{key}{equals}") is None:
        raise UserError(f"cannot read '{word}': write key=value; `--help` lists the keys")
    if key == "hydra":
        raise UserError(f"{word}: name one of Hydra's own keys, such as hydra.run.dir=…")
    looks_like_a_number = _TEXTS.fullmatch(key_of(word)) and _NO_TEXT.fullmatch(value)
    is_plain = _PLAIN.fullmatch(value) and not looks_like_a_number
    if not equals or (is_plain and key_of(word) not in groups):
        return word
    override = _parsed(word)
    if override is None:
        is_list = value.startswith("[") and value.endswith("]") and not _exists(value)
        inner = value[1:-1] if is_list else value
        parts = inner.split(",") if several or is_list else [inner]
        joined = ",".join(p if _parsed(f"{key}={p}") else _in_quotes(p) for p in parts)
        return f"{key}=[{joined}]" if is_list else f"{key}={joined}"
    found = override.value()
    if key_of(word) in groups:
        _check_options(key_of(word), value, found)
    return f"{key}={_as_typed(key_of(word), value, found)}"


def _as_typed(key: str, value: str, found: object) -> str:
    """A value in quotes where Hydra has found another one than was typed: for a path that is there,
    and for a text that looks like a number or has blanks around it."""
    if key in _PATHS and found != value != "null" and _exists(value):
        return _in_quotes(value)
    if not _TEXTS.fullmatch(key) or isinstance(found, dict | QuotedString):
        return value
    if isinstance(found, str):
        return _in_quotes(value) if found == value.strip() != value else value
    is_list = value.startswith("[") and value.endswith("]")
    inner = value[1:-1] if is_list else value
    kept = ",".join(_in_quotes(p) if _is_no_text(p) else p for p in inner.split(","))
    return f"[{kept}]" if is_list else kept


def _is_no_text(value: str) -> bool:
    """Whether Hydra reads this as a number or a truth, which Python may write in another way."""
    override = _parsed(f"key={value}") if _NO_TEXT.fullmatch(value) else None
    found = override.value() if override else None
    return isinstance(found, bool | float) or (isinstance(found, int) and str(found) != value)


def applied(base: Any, words: Sequence[str]) -> DictConfig:
    """A config with the values that overrides of keys set, whatever plus signs they have. Raises
    UserError for what is no such override."""
    config = OmegaConf.create()
    for word in words:
        override = _parsed(word.lstrip("+"))
        if override is None or override.is_delete() or override.is_sweep_override():
            raise UserError(f"cannot read '{word}': write key=value")
        with translated(f"cannot read '{word}'", OmegaConfBaseException):
            OmegaConf.update(config, override.key_or_group, override.value(), force_add=True)
    with translated(" ".join(words), OmegaConfBaseException):
        return cast(DictConfig, OmegaConf.merge(base, config))


def _exists(path: str) -> bool:
    # Not Path.exists: a list of names may be longer than a name can be.
    return os.path.exists(os.path.expanduser(path))  # noqa: PTH110, PTH111


def _parsed(word: str) -> Override | None:
    """None if Hydra cannot read it."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def _check_options(group: str, text: str, value: object) -> None:
    options = value.list if isinstance(value, ChoiceSweep) else value
    for option in options if isinstance(options, list) else [options]:
        if not isinstance(option, str | QuotedString):
            allowed = sorted(p.stem for p in (CONF_DIR / group).iterdir() if p.stem != "base")
            raise UserError(
                f"{group}={text}: allowed are {', '.join(allowed)}; leave it out for the default"
            )


def quoted(value: str) -> str:
    """A value with the quotes, if it needs any, that it must have behind key= for Hydra."""
    return value if re.fullmatch(r"[A-Za-z0-9/._-]+", value) else _in_quotes(value)


def _in_quotes(value: str) -> str:
    return QuotedString(value, Quote.single).with_quotes()


def task_overrides() -> list[str]:
    """The overrides of the run that Hydra has begun, as typed: ${oc.env:…} may name a secret, so it
    is not resolved."""
    typed = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return [str(override) for override in cast(list[str], typed)]


def key_of(override: str) -> str:
    """+model@net=distilbert → model@net"""
    return override.lstrip("+~").split("=")[0]


def group_of(override: str) -> str:
    """+backend.spot=true → backend"""
    return key_of(override).split(".")[0].split("@")[0]


def without_place(overrides: list[str]) -> list[str]:
    """Leaves out those of the backend and the sweep, which do not say what is trained."""
    return [o for o in overrides if group_of(o) not in ("backend", "sweep")]
