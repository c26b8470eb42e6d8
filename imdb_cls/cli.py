"""How a command begins, by Hydra or with key=value arguments, and how it ends on an error: with one
line and exit code 2. This module stands above config and below the commands.
"""

import atexit
import contextlib
import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from io import TextIOWrapper
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

from hydra import main as hydra_main
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException, MissingConfigException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls import container
from imdb_cls.config import CONF_DIR, known_keys, unknown_key
from imdb_cls.config.overrides import readable
from imdb_cls.errors import UserError, as_user_error, nearest, one_line

T = TypeVar("T")


def run(task: Callable[[DictConfig], Any], config_name: str) -> None:
    """Composes conf/<config_name>.yaml with sys.argv and calls `task` in the run directory."""
    # Hydra then raises its errors instead of printing them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    OmegaConf.register_new_resolver("run_dir", _run_dir, replace=True)

    def job(config: DictConfig) -> Any:
        try:
            return task(config)
        except Exception as error:
            # It ends here: Hydra would print all overrides above it.
            if as_user_error(error):
                MadeDirectories.take_back()
            _fail(error)

    with one_line_errors():
        sys.argv[1:] = readable(sys.argv[1:])
        _check_flags(sys.argv[1:])
        try:
            main = hydra_main(str(CONF_DIR), config_name, version_base="1.3")
            main(job)()
        except (HydraException, OmegaConfBaseException) as error:
            raise as_user_error(error) or UserError(explain(error)) from error


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process on an error, as every command does."""
    # Python would search for garbage before it ends: a fifth of a short command's time.
    atexit.register(gc.freeze)
    if isinstance(sys.stdout, TextIOWrapper):  # where our letters are not known, others are shown
        sys.stdout.reconfigure(errors="replace")
    try:
        yield
    except BrokenPipeError:
        # What reads our output has ended, such as head. At its exit Python would write to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        _fail(error)
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(error: Exception) -> NoReturn:
    """Ends with one line and exit code 2 if a user can mend the error; if not, raises it."""
    user_error = as_user_error(error)
    if user_error is None:
        raise error
    container.report_failure(user_error)
    print(f"error: {one_line(user_error, limit=1000)}", file=sys.stderr)
    sys.exit(2)


def _check_flags(arguments: list[str]) -> None:
    """Refuses --key=value and flags that Hydra cannot read: it would print its whole usage."""
    parser = get_args_parser()
    for argument in arguments:
        flag = argument.split("=")[0]
        if flag.startswith("--") and flag not in parser._option_string_actions:
            meant = nearest(flag.lstrip("-"), known_keys())
            raise UserError(
                f"unknown flag '{flag}': keys are set as key=value, without dashes.{meant}"
            )
    parser.error = _refuse_flags  # type: ignore[method-assign]
    parser.parse_args(arguments)


def _refuse_flags(message: str) -> NoReturn:
    raise UserError(f"{message}: `--help` lists what can be set, `--hydra-help` the flags")


def _run_dir(resume: object, fresh: str) -> str:
    """The resolver of hydra.run.dir: a run that is resumed goes on in its own directory."""
    if not resume:
        return fresh
    from imdb_cls.runs.run import Run

    return str(Run.open(str(resume)).path)


class MadeDirectories(Callback):
    """Remembers which directories Hydra makes, so that they can be removed if the run is refused.
    conf/train.yaml registers it."""

    absent: ClassVar[list[Path]] = []

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        with contextlib.suppress(OmegaConfBaseException):  # Hydra will raise it once more.
            path = Path(config.hydra.run.dir).absolute()
            self.absent[:] = [p for p in (path, *path.parents) if not p.exists()]

    @classmethod
    def take_back(cls) -> None:
        with contextlib.suppress(OSError):  # The run has begun to write: its files stay.
            for path in cls.absent:
                path.rmdir()


def explain(error: Exception) -> str:
    """An error of Hydra or OmegaConf on one line, with the nearest word that is right."""
    text = one_line(error)
    if text == type(error).__name__ and error.__cause__ is not None:
        text = one_line(error.__cause__)
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, option = (error.missing_cfg_file or "").rpartition("/")
        allowed = [name for name in error.options if name != "base"]
        return f"{group}={option}: allowed are {', '.join(allowed)}.{nearest(option, allowed)}"
    if match := re.search(
        r"Could not (?:override|append to config at|delete from config at) '(.+?)'", text
    ):
        key = match[1].split("=")[0].lstrip("+~").split("@")[0]
        if "No match in the defaults list" in text:
            groups = [path.name for path in CONF_DIR.iterdir() if path.is_dir()]
            if key in groups:
                return f"{key} is no part of the defaults: add it with a plus: +{key}=…"
            return f"unknown group '{key}'.{nearest(key, groups)}"
        if key in known_keys() or key == "hydra":
            return f"{key}: {text}"
        return f"{unknown_key(key)} `--help` lists them"
    if match := re.search(r"Value '(.*?)' .* could not be converted to (\w+)", text):
        return f"{getattr(error, 'full_key', None) or 'a key'}={match[1]} is not of type {match[2]}"
    return text


def arguments(schema: type[T], words: list[str], usage: str, free: str | None = None) -> T:
    """Fills a dataclass of texts and whole numbers with key=value words. Its list field `free` gets
    all other words, and every word behind `--`. Raises UserError for a word that fits nowhere."""
    if any(word in ("-h", "--help") for word in words):
        print(usage.strip())
        sys.exit(0)
    known = {item.name: item for item in fields(schema) if item.name != free}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    rest: list[str] = []
    for position, word in enumerate(words):
        if word == "--" and free:
            rest += words[position + 1 :]
            break
        key, equals, value = word.partition("=")
        if equals and key in known:
            values[key] = _typed_argument(key, value, known[key].type)
        elif free and not re.fullmatch(r"-{0,2}[A-Za-z_.-]+=\S*", word):
            rest.append(word)
        else:
            behind = " Put texts that look like this behind --" if free else ""
            raise UserError(
                f"unknown argument '{word}': allowed are {', '.join(f'{k}=' for k in known)}."
                f"{nearest(key.lstrip('-').replace('-', '_'), known)}{behind}"
            )
    for key, item in known.items():
        if key not in values and item.default is MISSING:
            raise UserError(f"{key}=… is missing. {usage.strip().splitlines()[0]}")
    return schema(**values, **({free: rest} if free else {}))


def _typed_argument(key: str, value: str, kind: Any) -> Any:
    if not value:
        raise UserError(f"{key}= has no value")
    if kind not in (int, int | None):
        return value
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", value):
        raise UserError(f"{key}={value} is not a whole number from 1")
    return int(value)
