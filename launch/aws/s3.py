"""Files and prefixes of S3."""

from pathlib import Path
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
    """Uploads files to their keys, several at once.

    Args:
        extra: what else the API is told of each, such as a key to encrypt with.
    """
    with create_transfer_manager(client, TransferConfig()) as manager:
        begun = [manager.upload(str(path), bucket, key, extra) for key, path in files.items()]
        for future in begun:
            future.result()


def upload_tree(client: Any, directory: Path, uri: str) -> None:
    """Every file below a directory, but for links."""
    bucket, prefix = split_uri(uri.rstrip("/") + "/")
    found = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    upload(
        client, bucket, {prefix + path.relative_to(directory).as_posix(): path for path in found}
    )


def download_tree(client: Any, uri: str, directory: Path) -> int:
    """Everything below a prefix, several files at once. Returns how many that were."""
    bucket, prefix = split_uri(uri.rstrip("/") + "/")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    with create_transfer_manager(client, TransferConfig()) as manager:
        begun = []
        for key in keys:
            target = directory / key[len(prefix) :]
            target.parent.mkdir(parents=True, exist_ok=True)
            begun.append(manager.download(bucket, key, str(target)))
        for future in begun:
            future.result()
    return len(keys)
