"""Files and prefixes of S3."""

from pathlib import Path
from typing import Any
from urllib.parse import urlparse


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key."""
    parsed = urlparse(uri)
    return parsed.netloc, parsed.path.lstrip("/")


def upload_tree(client: Any, directory: Path, uri: str) -> None:
    """Every file below a directory, but for links."""
    bucket, prefix = split_uri(uri.rstrip("/") + "/")
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            client.upload_file(str(path), bucket, prefix + path.relative_to(directory).as_posix())


def download_tree(client: Any, uri: str, directory: Path) -> int:
    """Everything below a prefix. Returns how many files that were."""
    bucket, prefix = split_uri(uri.rstrip("/") + "/")
    count = 0
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            target = directory / item["Key"][len(prefix) :]
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, item["Key"], str(target))
            count += 1
    return count
