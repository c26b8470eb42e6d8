"""The code and the weights that a job is given."""

import re
import shutil
import subprocess
from pathlib import Path

from imdb_cls.config import CONF_DIR, BackendConfig
from imdb_cls.container import ROOT
from imdb_cls.errors import UserError, one_line
from launch.aws.store import Channel, copy

_ROOT = CONF_DIR.parent
_PACKAGE = Path(__file__).parents[2] / "imdb_cls"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
WITH_MLFLOW = REQUIREMENTS.with_name("requirements-mlflow.txt")
INSTALLER = REQUIREMENTS.with_name("private_index.py")


def code(mlflow: bool = False) -> Channel:
    """The Python and YAML files of the package and of conf/, and the file of pins. In a checkout
    they are those that git tracks, so that no .env, credentials or outputs are sent."""
    tracked = _tracked()
    sources = tracked if tracked is not None else _installed()
    wanted = {name: path for name, path in sources.items() if path.suffix in (".py", ".yaml")}
    if mlflow:
        wanted["requirements-base.txt"] = REQUIREMENTS
    return Channel("code", {**wanted, "requirements.txt": WITH_MLFLOW if mlflow else REQUIREMENTS})


def stage(code: Channel, target: Path, backend: BackendConfig) -> Path:
    """The code as a directory, with what tells pip where the packages are: in the channel wheels
    without a network, else in backend.index_url."""
    copy(code, target)
    options = ""
    if backend.network_isolation:
        options = f"--no-index\n--find-links={ROOT}/input/data/wheels\n"
    elif backend.index_secret:
        shutil.copy2(INSTALLER, target)
    elif backend.index_url and not backend.has_code_artifact:
        options = f"--index-url={backend.index_url}\n"
    if options:
        file = target / "requirements.txt"
        file.write_text(options + file.read_text(encoding="utf-8"), encoding="utf-8")
    return target


def untracked() -> list[str]:
    """Python and YAML files in imdb_cls/ and conf/ that git does not track. They are not sent."""
    tracked = _tracked()
    if tracked is None:
        return []
    return sorted(
        path.relative_to(_ROOT).as_posix()
        for folder in ("imdb_cls", "conf")
        for path in (_ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml") and path.relative_to(_ROOT).as_posix() not in tracked
    )


def _tracked() -> dict[str, Path] | None:
    # git reads a checkout that another user owns too, and runs no program that it names.
    trusting = [*("-c", f"safe.directory={_ROOT}"), *("-c", "core.fsmonitor=false")]
    command = ["git", *trusting, "-C", str(_ROOT), "ls-files", "-z", "--", "imdb_cls", "conf"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError) as error:
        if (_ROOT / ".git").exists():
            said = getattr(error, "stderr", None) or str(error).encode()
            raise UserError(
                f"git cannot say which files of {_ROOT} are tracked, and only those are sent:"
                f" {one_line(Exception(said.decode()))}"
            ) from None
        return None
    names = [name for name in listed.split("\0") if name]
    if "imdb_cls/train.py" not in names:
        return None  # the package is installed inside another repository
    return {name: _ROOT / name for name in names if (_ROOT / name).is_file()}


def _installed() -> dict[str, Path]:
    found = {}
    for folder, source in (("imdb_cls", _PACKAGE), ("conf", CONF_DIR)):
        for path in source.rglob("*"):
            if path.is_file() and not (folder == "imdb_cls" and path.is_relative_to(CONF_DIR)):
                found[f"{folder}/{path.relative_to(source).as_posix()}"] = path
    return found


def check_chosen(choices: dict[str, str]) -> None:
    """Refuses code or a config that uses files which are not sent.

    Args:
        choices: the option, or the list of options, that Hydra took of each group.

    Raises:
        UserError: one of them, or a module, is a file that git does not track.
    """
    missing = untracked()
    if not missing:
        return
    sent = [p.read_text(encoding="utf-8") for n, p in code().files.items() if n.endswith(".py")]

    def is_imported(name: str) -> bool:
        module = re.escape(Path(name).stem)
        line = re.compile(rf"^\s*(from|import)\b.*\b{module}\b", re.MULTILINE)
        return name.endswith(".py") and any(map(line.search, sent))

    chosen = [
        f"conf/{group}/{option}.yaml"
        for group, options in choices.items()
        for option in re.findall(r"[^\[\], ]+", options)
    ]
    used = [*filter(is_imported, missing), *(name for name in chosen if name in missing)]
    if used:
        raise UserError(
            f"{used[0]} is not tracked by git, so the job would not have it: git add {used[0]}"
        )
