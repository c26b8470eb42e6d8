"""The files that jobs are given: they lie in S3 under the hash of their content, so that nothing
is uploaded twice."""

import hashlib
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from imdb_cls.storage import sha256_of
from launch.aws import s3
from launch.aws.client import AWS, explained


@dataclass(frozen=True)
class Channel:
    """Files that a training job finds below /opt/ml/input/data/<name>."""

    name: str
    files: dict[str, Path] = field(repr=False)
    """By their paths in the channel, which have slashes on every system."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(path.stat().st_size for path in self.files.values())

    @cached_property
    def digest(self) -> str:
        """A hash of the files' names and contents, as 16 hex digits."""
        content = [f"{name} {sha256_of(path)}" for name, path in sorted(self.files.items())]
        return hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]


def of_directory(name: str, directory: Path) -> Channel:
    """A channel of every file below a directory except Python's caches."""
    files = {
        path.relative_to(directory).as_posix(): path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    return Channel(name, files)


def copy(channel: Channel, target: Path) -> None:
    """Copies the files of a channel into a directory."""
    for name, path in channel.files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target / name)


class Store:
    """Channels in a bucket, below prefix/inputs/. In a dry run it has no AWS: it only says where
    they would lie."""

    def __init__(self, aws: AWS | None, bucket: str, prefix: str, kms_key: str | None) -> None:
        self.aws, self.bucket, self.prefix, self.kms_key = aws, bucket, prefix.strip("/"), kms_key

    def folder(self, *names: str) -> str:
        """s3://bucket/prefix/…"""
        return "/".join(filter(None, [f"s3://{self.bucket}", self.prefix, *names]))

    def uri(self, channel: Channel) -> str:
        return f"s3://{self.bucket}/{self._key(channel)}"

    def has(self, channel: Channel) -> bool | None:
        """Whether all its files are in S3; None: S3 was not asked."""
        return None if self.aws is None else not self._missing(channel)

    def put(self, channel: Channel) -> list[str]:
        """Uploads the files that are not there yet. Returns their names, behind the channel's."""
        assert self.aws is not None
        extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}
        missing = self._missing(channel)
        files = {self._key(channel) + name: channel.files[name] for name in missing}
        with explained(f"uploading {channel.name} to s3://{self.bucket}"):
            client = self.aws.client("s3")
            s3.upload(client, self.bucket, files, extra if self.kms_key else None)
        return [f"{channel.name}/{name}" for name in missing]

    def _key(self, channel: Channel) -> str:
        return "/".join(filter(None, [self.prefix, "inputs", channel.name, channel.digest])) + "/"

    def _missing(self, channel: Channel) -> list[str]:
        """The files of a channel that are not in S3 in their size."""
        assert self.aws is not None
        key = self._key(channel)
        where = {"Bucket": self.bucket, "Prefix": key}
        with explained(f"looking at s3://{self.bucket}/{key}"):
            found = self.aws.listed("s3", "list_objects_v2", "Contents", **where)
        sizes = {item["Key"]: item["Size"] for item in found}
        return [
            name
            for name, path in channel.files.items()
            if sizes.get(key + name) != path.stat().st_size
        ]
