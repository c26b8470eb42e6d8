"""Hydra's entry point with our manners: an error is one line and exit code 2, and leaves nothing.

Hydra composes, sweeps and makes the run directory; only what it prints on an error is replaced.
"""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

from hydra import main as hydra_main
from hydra.errors import HydraException, MissingConfigException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from imdb_cls import container
from imdb_cls.config import CONF_DIR, known_keys, unknown_key
from imdb_cls.errors import UserError, as_user_error, nearest, one_line

# hydra --hydra-help
_HYDRA_FLAGS = (
    *("--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run"),
    *("--multirun", "--shell-completion", "--config-path", "--config-name", "--config-dir"),
    *("--experimental-rerun", "--info"),
)

Task = Callable[[DictConfig], Any]
T = TypeVar("T")


def run(task: Task, config_name: str) -> None:
    """Composes conf/<config_name>.yaml with sys.argv and calls `task` in the run directory."""
    # Hydra's errors then reach us as they are, instead of being printed by it.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    OmegaConf.register_new_resolver("run_dir", _run_dir, replace=True)

    def job(config: DictConfig) -> Any:
        try:
            return task(config)
        except Exception as error:
            user_error = as_user_error(error)
            if user_error is None:
                raise
            MadeDirectories.take_back()
            fail(user_error)

    with one_line_errors():
        _check_flags(sys.argv[1:])
        try:
            hydra_main(version_base="1.3", config_path=str(CONF_DIR), config_name=config_name)(
                job
            )()
        except (HydraException, OmegaConfBaseException) as error:
            raise as_user_error(error) or UserError(explain(error)) from error


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """The same manners for a command that is not Hydra's."""
    try:
        yield
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        user_error = as_user_error(error)
        if user_error is None:
            raise
        fail(user_error)
    except KeyboardInterrupt:
        sys.exit(130)


def fail(error: UserError) -> NoReturn:
    """One line on stderr, exit code 2."""
    container.explain(error)
    print(f"error: {one_line(error, limit=1000)}", file=sys.stderr)
    sys.exit(2)


def _check_flags(arguments: list[str]) -> None:
    """Refuses --key=value, which Hydra's parser would answer with its whole usage."""
    for argument in arguments:
        flag = argument.split("=")[0]
        if flag.startswith("--") and flag not in _HYDRA_FLAGS:
            meant = nearest(flag.lstrip("-"), known_keys())
            raise UserError(
                f"unknown flag '{flag}': keys are set as key=value, without dashes.{meant}"
            )


def _run_dir(resume: str | None, fresh: str) -> str:
    """A run that is resumed goes on in its own directory; a new one gets a fresh one."""
    if not resume:
        return fresh
    from imdb_cls.runs.run import Run

    return str(Run.open(resume).path)


class MadeDirectories(Callback):
    """Remembers which directories Hydra is about to make, to take them back from a run that never
    begins. conf/train.yaml registers it."""

    absent: ClassVar[list[Path]] = []

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        with contextlib.suppress(OmegaConfBaseException):  # Hydra meets it again and reports it
            path = Path(config.hydra.run.dir).absolute()
            self.absent[:] = [p for p in (path, *path.parents) if not p.exists()]

    @classmethod
    def take_back(cls) -> None:
        with contextlib.suppress(OSError):  # something lies in it: it began after all
            for path in cls.absent:
                path.rmdir()


def explain(error: Exception) -> str:
    """What Hydra or OmegaConf did not like, on one line, with the nearest right word."""
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
            return f"unknown group '{key}'.{nearest(key, _groups())}"
        if key in set(known_keys()) | {"hydra"}:
            return f"{key}: {text}"
        return f"{unknown_key(key)} `--help` lists them"
    if match := re.search(r"parsing override '(.+?)'", text):
        return (
            f"cannot read '{match[1]}': write key=value, in quotes for the shell and for Hydra"
            """ if the value has spaces or commas: 'data.text="my column"'"""
        )
    if match := re.search(r"Value '(.*?)' .* could not be converted to (\w+)", text):
        return f"{getattr(error, 'full_key', None) or 'a key'}={match[1]} is not of type {match[2]}"
    return text


def _groups() -> list[str]:
    return [path.name for path in CONF_DIR.iterdir() if path.is_dir()]


def arguments(schema: type[T], arguments: list[str], usage: str, free: str | None = None) -> T:
    """Fills the dataclass `schema` with its key=value arguments; everything else, and all that
    stands behind `--`, goes into its list field `free`.

    Raises:
        UserError: an unknown key, a value of the wrong type, a key without a value.
    """
    if any(argument in ("-h", "--help") for argument in arguments):
        print(usage.strip())
        sys.exit(0)
    known = {item.name: item for item in fields(schema) if item.name != free}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    rest: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--" and free:
            rest += arguments[position + 1 :]
            break
        key, equals, value = argument.partition("=")
        if equals and key in known:
            values[key] = _typed_argument(key, value, known[key].type)
        elif free and not re.fullmatch(r"-{0,2}[A-Za-z_.-]+=\S*", argument):
            rest.append(argument)
        else:
            behind = " Put texts that look like this behind --" if free else ""
            raise UserError(
                f"unknown argument '{argument}': allowed are {', '.join(f'{k}=' for k in known)}."
                f"{nearest(key.lstrip('-').replace('-', '_'), known)}{behind}"
            )
    for key, item in known.items():
        if key not in values and item.default is MISSING and item.default_factory is MISSING:
            raise UserError(f"{key}=… is missing. {usage.strip().splitlines()[0]}")
    return schema(**values, **({free: rest} if free else {}))


def _typed_argument(key: str, value: str, kind: Any) -> Any:
    if not value:
        raise UserError(f"{key}= has no value")
    if kind in (int, int | None):
        if not value.isdecimal() or int(value) < 1:
            raise UserError(f"{key}={value} is not a whole number from 1")
        return int(value)
    return value
