"""Uploads to S3 and downloads from it: files, and all below a directory or a prefix."""

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

from boto3.s3.transfer import TransferConfig, create_transfer_manager


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key."""
    parsed = urlparse(uri)
    return parsed.netloc, parsed.path.lstrip("/")


def upload(
    client: Any, bucket: str, files: dict[str, Path], extra: dict[str, Any] | None = None
) -> None:
    """Uploads files to their keys, several at once. `extra` are further arguments of PutObject,
    such as a key to encrypt with."""
    with create_transfer_manager(client, TransferConfig()) as manager:
        begun = [manager.upload(str(path), bucket, key, extra) for key, path in files.items()]
        for future in begun:
            future.result()


def upload_tree(client: Any, directory: Path, uri: str) -> None:
    """Uploads every file below a directory except symbolic links."""
    bucket, prefix = split_uri(uri.rstrip("/") + "/")
    found = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    upload(
        client, bucket, {prefix + path.relative_to(directory).as_posix(): path for path in found}
    )


def download_tree(client: Any, uri: str, directory: Path, hidden: bool = True) -> int:
    """Downloads what lies below a prefix and is not in the directory yet, several files at once.
    Names that would lead out of the directory are left alone, and those that begin with a dot
    unless `hidden`. Returns how many files were downloaded."""
    bucket, prefix = split_uri(uri.rstrip("/") + "/")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    with create_transfer_manager(client, TransferConfig()) as manager:
        begun = []
        for key in keys:
            name = PurePosixPath(key[len(prefix) :])
            target = directory / name
            is_inside = name.parts and not name.is_absolute() and ".." not in name.parts
            is_hidden = any(part.startswith(".") for part in name.parts)
            is_wanted = is_inside and (hidden or not is_hidden)
            if is_wanted and not key.endswith("/") and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                begun.append(manager.download(bucket, key, str(target)))
        for future in begun:
            future.result()
    return len(begun)
