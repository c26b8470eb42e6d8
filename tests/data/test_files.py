"""What names files of reviews: paths, lists, wildcards, directories, addresses."""

import os
import socket
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import fsspec
import pytest

from imdb_cls.data import files
from imdb_cls.errors import UserError
from launch.rehearsal.aws import LocalAWS
from tests.support.local_aws import BUCKET
from tests.support.review_files import ENDINGS, GOOD, pairs, refusal, write


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A directory with a file of every format, a review in each."""
    directory = tmp_path / "shards"
    directory.mkdir()
    for number, ending in enumerate(ENDINGS):
        write(directory / f"part-{number}.{ending}", [{"text": f"Film {number}", "label": 1}])
    (directory / "_SUCCESS").touch()
    (directory / ".part-0.csv.crc").touch()
    return directory


def texts(named: files.Named) -> list[str]:
    return [review.text for review in files.read(named)]


def refused(named: files.Named) -> str:
    with pytest.raises(UserError) as caught:
        list(files.read(named))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_directory_is_all_its_files_by_their_names(shards: Path) -> None:
    assert texts(shards) == [f"Film {number}" for number in range(len(ENDINGS))]


def test_wildcards_are_all_files_that_fit(shards: Path) -> None:
    assert texts(f"{shards}/part-[0-2].*") == ["Film 0", "Film 1", "Film 2"]
    assert "*.txt: no file has such a name" in refused(f"{shards}/*.txt")


def test_a_list_is_read_in_its_order(shards: Path) -> None:
    assert texts([f"{shards}/part-3.jsonl", f"{shards}/part-0.csv"]) == ["Film 3", "Film 0"]


def test_a_file_may_have_the_wildcards_in_its_name(tmp_path: Path) -> None:
    for name in ("reviews [old].csv", "what?*.csv", "a#b=c, d;é'\".csv"):
        path = write(tmp_path / name, [GOOD])
        assert pairs(path) == [("A fine film.", 1)]


def test_no_file_is_read_twice(shards: Path) -> None:
    first = f"{shards}/part-0.csv"
    assert f"{first} is named twice" in refused([first, f"{shards}/*.csv"])


def test_nothing_in_a_directory_is_left_out_in_silence(shards: Path) -> None:
    (shards / "README.md").touch()
    assert "README.md is no file of reviews" in refused(shards)
    assert f"as in '{shards}/*.csv'" in refused(shards)


def test_a_directory_without_files_is_refused(tmp_path: Path) -> None:
    assert "no files in this directory" in refused(tmp_path)


def test_what_is_no_file_is_called_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.csv"))
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    (tmp_path / "lost.csv").symlink_to("gone.csv")
    said = {
        "pipe.csv": "not a file but a pipe.",
        "socket.csv": "not a file but a socket.",
        "loop.csv": "a symbolic link that leads back to itself.",
        "lost.csv": "a symbolic link to gone.csv, which does not exist.",
    }
    for name, what in said.items():
        assert refusal(tmp_path / name) == f"{tmp_path / name}: {what}"
    assert refusal(Path("/dev/null")) == "/dev/null: not a file but a device."


@pytest.fixture
def server(shards: Path) -> Iterator[str]:
    """The address of a web server that has the files."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(shards))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_a_file_of_the_web_is_read(server: str) -> None:
    assert texts(f"{server}/part-4.parquet?version=2") == ["Film 4"]
    assert f"{server}/none.csv: cannot be read: FileNotFoundError" in refused(f"{server}/none.csv")


def test_an_error_in_a_file_of_the_web_names_its_address(server: str, shards: Path) -> None:
    write(shards / "bad.csv", [{"text": "A film", "label": "so-so"}])
    assert refused(f"{server}/bad.csv").startswith(f"{server}/bad.csv, line 2: label='so-so'")


def test_a_store_of_objects_is_read_like_a_directory(shards: Path) -> None:
    system = fsspec.filesystem("memory")
    for path in shards.glob("part-*"):
        system.pipe_file(f"/bucket/shards/{path.name}", path.read_bytes())
    assert texts("memory://bucket/shards/part-0.csv") == ["Film 0"]
    assert texts("memory://bucket/shards/*.json*") == ["Film 2", "Film 3"]
    assert texts("memory://bucket/shards") == [f"Film {number}" for number in range(len(ENDINGS))]
    assert "memory://bucket/none.csv: no such file" in refused("memory://bucket/none.csv")


@pytest.mark.parametrize(
    "address",
    [
        "https://user:word@host/in.csv",
        "https://bucket.s3.amazonaws.com/in.csv?X-Amz-Signature=0123abcd",
        "https://account.blob.core.windows.net/in.csv?sv=1&sig=0123abcd",
        "https://host/in.csv?api_key=0123abcd",
    ],
)
def test_an_address_with_a_secret_is_refused_without_it(address: str) -> None:
    message = refused(address)
    assert "holds a secret" in message
    assert "word" not in message
    assert "0123abcd" not in message


def test_a_file_system_that_is_not_installed_is_named() -> None:
    assert "gs://bucket/in.csv: cannot be read: ImportError: Please install gcsfs" in refused(
        "gs://bucket/in.csv"
    )
    assert "nowhere://in.csv: cannot be read: ValueError" in refused("nowhere://in.csv")


def test_a_bucket_is_read(aws: LocalAWS, shards: Path) -> None:
    for path in shards.glob("part-*"):
        boto3.client("s3").upload_file(str(path), BUCKET, f"shards/{path.name}")
    assert texts(f"s3://{BUCKET}/shards/part-0.csv") == ["Film 0"]
    assert len(texts(f"s3://{BUCKET}/shards")) == len(ENDINGS)
    assert "none.csv: no such file" in refused(f"s3://{BUCKET}/none.csv")
    assert "s3://no-such-bucket/in.csv: " in refused("s3://no-such-bucket/in.csv")
