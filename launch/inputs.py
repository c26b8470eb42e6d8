"""What a job is given, as channels in S3 under the hash of their content: nothing is sent twice."""

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from imdb_cls.config import CONF_DIR
from imdb_cls.container import ROOT
from imdb_cls.errors import UserError, one_line
from imdb_cls.model.files import FILES as WEIGHT_FILES
from imdb_cls.storage import sha256_of
from launch import s3
from launch.aws import AWS, explained

_ROOT = CONF_DIR.parent
_PACKAGE = Path(__file__).parent.parent / "imdb_cls"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"


@dataclass(frozen=True)
class Channel:
    """Files that a job finds below /opt/ml/input/data/<name>."""

    name: str
    files: dict[str, Path] = field(repr=False)
    """By their path in the channel, with slashes."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(path.stat().st_size for path in self.files.values())

    @cached_property
    def digest(self) -> str:
        """16 hex digits of what the files are called and hold."""
        content = [f"{name} {sha256_of(path)}" for name, path in sorted(self.files.items())]
        return hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]


def of_directory(name: str, directory: Path) -> Channel:
    """Every file below a directory but Python's caches."""
    files = {
        path.relative_to(directory).as_posix(): path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    return Channel(name, files)


def code() -> Channel:
    """The package and conf/ as git tracks them (installed without git: as they were installed), and
    the file of pins. Only Python and YAML: no .env, no credentials, no outputs."""
    tracked = _tracked()
    sources = tracked if tracked is not None else _installed()
    wanted = {name: path for name, path in sources.items() if path.suffix in (".py", ".yaml")}
    return Channel("code", {**wanted, "requirements.txt": REQUIREMENTS})


def copy(channel: Channel, target: Path) -> None:
    for name, path in channel.files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target / name)


def stage(code: Channel, target: Path, isolated: bool) -> Path:
    """The code as a directory. Without a network, pip finds the packages in the channel wheels."""
    copy(code, target)
    if isolated:
        pins = REQUIREMENTS.read_text(encoding="utf-8")
        options = f"--no-index\n--find-links={ROOT}/input/data/wheels\n"
        (target / "requirements.txt").write_text(options + pins, encoding="utf-8")
    return target


def untracked() -> list[str]:
    """Python and YAML files in imdb_cls/ and conf/ that git does not track: no job sees them."""
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
    # A checkout that another user owns is read all the same, and none of its programs is run.
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
        return None  # installed into somebody else's repository
    return {name: _ROOT / name for name in names if (_ROOT / name).is_file()}


def _installed() -> dict[str, Path]:
    found = {}
    for folder, source in (("imdb_cls", _PACKAGE), ("conf", CONF_DIR)):
        for path in source.rglob("*"):
            if path.is_file() and not (folder == "imdb_cls" and path.is_relative_to(CONF_DIR)):
                found[f"{folder}/{path.relative_to(source).as_posix()}"] = path
    return found


def weights(directory: Path) -> Channel:
    """config.json, model.safetensors and tokenizer.json."""
    return Channel("weights", {name: directory / name for name in WEIGHT_FILES})


class Store:
    """The bucket below prefix/inputs/. Without AWS (a dry run) it only says what lies where."""

    def __init__(self, aws: AWS | None, bucket: str, prefix: str, kms_key: str | None) -> None:
        self.aws, self.bucket, self.prefix, self.kms_key = aws, bucket, prefix.strip("/"), kms_key
        self.uploaded: list[str] = []

    def uri(self, channel: Channel) -> str:
        return f"s3://{self.bucket}/{self._key(channel)}"

    def has(self, channel: Channel) -> bool | None:
        """Whether all of it is there; None: nobody was asked."""
        return None if self.aws is None else not self._missing(channel)

    def put(self, channel: Channel) -> str:
        """Uploads the files that are not there yet. Returns the channel's URI."""
        if self.aws is not None:
            extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}
            missing = self._missing(channel)
            files = {self._key(channel) + name: channel.files[name] for name in missing}
            with explained(f"uploading {channel.name} to s3://{self.bucket}"):
                client = self.aws.client("s3")
                s3.upload(client, self.bucket, files, extra if self.kms_key else None)
            self.uploaded += [f"{channel.name}/{name}" for name in missing]
        return self.uri(channel)

    def check_bucket(self, owner: str | None) -> None:
        """
        Args:
            owner: the account that it must belong to. Names of default buckets can be guessed.

        Raises:
            UserError: there is no such bucket, or it is somebody else's, or in another region.
        """
        if self.aws is None:
            return
        owned = {"ExpectedBucketOwner": owner} if owner else {}
        create = f"create it with `aws s3 mb s3://{self.bucket}`, or set backend.bucket"
        with explained(f"bucket {self.bucket}", **{"404": create, "NoSuchBucket": create}):
            found = self.aws.client("s3").head_bucket(Bucket=self.bucket, **owned)
        region = found.get("BucketRegion", self.aws.region)
        if region != self.aws.region:
            raise UserError(
                f"bucket {self.bucket} lies in {region}, the job in {self.aws.region}:"
                " SageMaker wants both in one region"
            )

    def _key(self, channel: Channel) -> str:
        return "/".join(filter(None, [self.prefix, "inputs", channel.name, channel.digest])) + "/"

    def _missing(self, channel: Channel) -> list[str]:
        assert self.aws is not None
        there: dict[str, int] = {}
        key = self._key(channel)
        with explained(f"looking at s3://{self.bucket}/{key}"):
            pages = self.aws.client("s3").get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=key):
                there |= {
                    item["Key"][len(key) :]: item["Size"] for item in page.get("Contents", [])
                }
        return [
            name for name, path in channel.files.items() if there.get(name) != path.stat().st_size
        ]


def _is_imported(module: str) -> bool:
    """Whether code that is sent imports a module of this name."""
    line = re.compile(rf"^\s*(from|import)\b.*\b{re.escape(module)}\b", re.MULTILINE)
    sent = [path for name, path in code().files.items() if name.endswith(".py")]
    return any(line.search(path.read_text(encoding="utf-8")) for path in sent)


def check_chosen(choices: dict[str, str]) -> None:
    """Refuses code, and a config, that is made of files which the job will not have.

    Args:
        choices: the option, or the list of options, that Hydra took of each group.

    Raises:
        UserError: one of them, or a module, is a file that git does not track.
    """
    missing = set(untracked())
    for name in sorted(missing):
        if name.endswith(".py") and _is_imported(Path(name).stem):
            raise UserError(
                f"{name} is not tracked by git, so the job would not have it: git add {name}"
            )
    for group, chosen in choices.items():
        for option in re.findall(r"[^\[\], ]+", chosen):
            name = f"conf/{group}/{option}.yaml"
            if name in missing:
                raise UserError(
                    f"{name} is not tracked by git, so the job would not have it: git add {name}"
                )
