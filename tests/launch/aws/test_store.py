"""Channels lie in S3 under the digest of their content: what is there is not uploaded again."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from launch.aws.client import AWS
from launch.aws.store import Channel, Store, of_directory
from launch.rehearsal.aws import LocalAWS
from tests.support.files import write_texts
from tests.support.local_aws import BUCKET, REGION


def keys(aws: LocalAWS, prefix: str = "") -> dict[str, int]:
    """What lies in the bucket: sizes by key."""
    answer = aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return {item["Key"]: item["Size"] for item in answer.get("Contents", [])}


@pytest.fixture
def store(aws: LocalAWS) -> Store:
    return Store(AWS(REGION), BUCKET, "imdb_cls", None)


def another(store: Store, kms_key: str | None = None) -> Store:
    """What the next job's client has."""
    return Store(AWS(REGION), store.bucket, store.prefix, kms_key)


CONTENTS = {"a.txt": "one", "b/c.txt": "two"}


def test_a_digest_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    one = of_directory("one", write_texts(tmp_path / "1", CONTENTS))
    two = of_directory("two", write_texts(tmp_path / "2", dict(reversed(CONTENTS.items()))))
    for path in (tmp_path / "2").rglob("*.txt"):
        path.touch()
        path.chmod(0o600)
    assert one.digest == two.digest
    assert Channel("any", dict(reversed(two.files.items()))).digest == one.digest
    assert re.fullmatch(r"[0-9a-f]{16}", one.digest)


@pytest.mark.parametrize(
    "changed",
    [
        {"a.txt": "one", "b/c.txt": "twp"},
        {"a.txt": "two", "b/c.txt": "one"},
        {"a.txt": "one", "b/d.txt": "two"},
        {"a.txt": "one", "c.txt": "two"},
        {"a.txt": "one"},
        {"a.txt": "one", "b/c.txt": "two", "d.txt": ""},
    ],
)
def test_every_other_name_or_content_has_another_digest(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    one = of_directory("code", write_texts(tmp_path / "1", CONTENTS))
    assert of_directory("code", write_texts(tmp_path / "2", changed)).digest != one.digest


def test_pythons_caches_are_no_part_of_a_channel(tmp_path: Path) -> None:
    made = write_texts(tmp_path, {**CONTENTS, "__pycache__/a.pyc": "x", "b/__pycache__/c.pyc": "y"})
    channel = of_directory("code", made)
    assert set(channel.files) == set(CONTENTS)
    assert channel.size == 6


def test_a_channel_lies_under_its_digest(store: Store, aws: LocalAWS, tmp_path: Path) -> None:
    channel = of_directory("reviews", write_texts(tmp_path, CONTENTS))
    prefix = f"imdb_cls/inputs/reviews/{channel.digest}/"
    assert store.put(channel) == ["reviews/a.txt", "reviews/b/c.txt"]
    assert store.uri(channel) == f"s3://{BUCKET}/{prefix}"
    assert keys(aws) == {f"{prefix}a.txt": 3, f"{prefix}b/c.txt": 3}


def test_without_a_prefix_no_key_begins_with_a_slash(tmp_path: Path) -> None:
    channel = of_directory("reviews", write_texts(tmp_path, CONTENTS))
    for prefix in ("", "/"):
        store = Store(None, BUCKET, prefix, None)
        assert store.uri(channel) == f"s3://{BUCKET}/inputs/reviews/{channel.digest}/"


def test_the_second_job_uploads_nothing(store: Store, aws: LocalAWS, tmp_path: Path) -> None:
    channel = of_directory("reviews", write_texts(tmp_path / "1", CONTENTS))
    assert store.has(channel) is False
    assert store.put(channel) == ["reviews/a.txt", "reviews/b/c.txt"]
    before = aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET)["Contents"]

    second = another(store)
    same = of_directory("reviews", write_texts(tmp_path / "2", CONTENTS))
    assert second.has(same) is True
    assert second.uri(same) == store.uri(channel)
    assert second.put(same) == []
    assert aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET)["Contents"] == before


def test_an_upload_that_broke_off_is_completed(
    store: Store, aws: LocalAWS, put: Callable[..., None], tmp_path: Path
) -> None:
    channel = of_directory("reviews", write_texts(tmp_path, {**CONTENTS, "d.txt": "three"}))
    prefix = f"imdb_cls/inputs/reviews/{channel.digest}/"
    put(f"{prefix}a.txt", "one")
    put(f"{prefix}d.txt", "thr")  # of another size: not the file
    assert store.has(channel) is False
    assert store.put(channel) == ["reviews/b/c.txt", "reviews/d.txt"]
    assert keys(aws) == {f"{prefix}a.txt": 3, f"{prefix}b/c.txt": 3, f"{prefix}d.txt": 5}


def test_a_changed_file_is_another_channel_and_the_old_one_stays(
    store: Store, aws: LocalAWS, tmp_path: Path
) -> None:
    store.put(of_directory("code", write_texts(tmp_path, CONTENTS)))
    before = keys(aws)
    store.put(of_directory("code", write_texts(tmp_path, {"a.txt": "ONE"})))
    assert before.items() < keys(aws).items()
    assert len(keys(aws)) == 4


def test_uploads_are_encrypted_with_the_key_that_is_asked_for(
    store: Store, aws: LocalAWS, tmp_path: Path
) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    another(store, key).put(of_directory("reviews", write_texts(tmp_path, CONTENTS)))
    assert keys(aws)
    for name in keys(aws):
        head = aws.client("s3", REGION).head_object(Bucket=BUCKET, Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_dry_run_asks_nobody(tmp_path: Path) -> None:
    store = Store(None, BUCKET, "imdb_cls", None)
    channel = of_directory("reviews", write_texts(tmp_path, CONTENTS))
    assert store.has(channel) is None
    assert store.uri(channel).startswith(f"s3://{BUCKET}/")
