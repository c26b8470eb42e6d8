"""All loggers of one run hold identical values; MLflow, which has no other file."""

import json
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imdb_cls.config import Config, MlflowConfig
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.training.loggers import mlflow_run
from tests.support.runs import Train, rows

Values = Counter[tuple[str, int, float]]
"""How often each name has each value at each step."""


def records(content: bytes) -> Iterator[bytes]:
    """Those of a log of LevelDB, which wandb's file is behind a head of 7 bytes: blocks of 32 kB,
    in which a record is a checksum, a length, and whether it is whole (1) or the last part (4)."""
    place, parts = 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


def of_wandb(directory: Path) -> Values:
    from wandb.proto.wandb_internal_pb2 import Record

    [file] = directory.glob("wandb/offline-run-*/*.wandb")
    found = Values()
    for data in records(file.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        items = {i.key or "/".join(i.nested_key): i.value_json for i in record.history.item}
        step = int(items.get("trainer/global_step", 0))
        found.update((k, step, json.loads(v)) for k, v in items.items() if "/" in k)
    return Values({key: n for key, n in found.items() if key[0] != "trainer/global_step"})


def of_mlflow(uri: str) -> Values:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    [experiment] = client.search_experiments(filter_string="name = 'imdb_cls'")
    [run] = client.search_runs([experiment.experiment_id])
    history = [
        m for name in run.data.metrics for m in client.get_metric_history(run.info.run_id, name)
    ]
    assert run.info.status == "FINISHED"
    assert run.data.params["data/train_size"] == "96"
    return Values((m.key, m.step, m.value) for m in history if m.key != "epoch")


def of_cloudwatch() -> Counter[tuple[str, float]]:
    from moto.cloudwatch.models import cloudwatch_backends

    data = cloudwatch_backends["123456789012"]["us-east-1"].metric_data
    return Counter((datum.name, datum.value) for datum in data)


def of_tensorboard(directory: Path) -> list[tuple[str, int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(next(directory.rglob("events*")).parent)).Reload()
    names = [name for name in events.Tags()["scalars"] if "/" in name]
    return sorted((name, e.step, e.value) for name in names for e in events.Scalars(name))


@pytest.mark.usefixtures("aws")
def test_five_loggers_hold_the_values_of_metrics_csv(
    train_here: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = train_here(
        *("logger=[wandb,tensorboard,mlflow,cloudwatch]", "logger.wandb.mode=offline"),
        *(f"logger.tensorboard.dir={tmp_path}/tb", f"logger.wandb.dir={tmp_path}"),
        "logger.cloudwatch.region=us-east-1",
    )
    table = Values((row["name"], int(row["step"]), float(row["value"])) for row in rows(run))
    assert len(table) == 40
    assert of_mlflow(f"sqlite:///{tmp_path}/mlflow.db") == table
    assert of_wandb(tmp_path) == table
    sums: Counter[tuple[str, float]] = Counter()
    for (name, _, value), count in table.items():
        sums[name, value] += count
    assert of_cloudwatch() == sums
    # TensorBoard keeps 32 bits of each.
    theirs, ours = of_tensorboard(tmp_path / "tb"), sorted(table)
    assert [key[:2] for key in theirs] == [key[:2] for key in ours]
    assert [key[2] for key in theirs] == [float(np.float32(key[2])) for key in ours]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


def test_a_run_that_goes_on_is_the_same_mlflow_run(
    trained: Path, uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings, run = MlflowConfig(tracking_uri=uri), Run(trained)
    first = mlflow_run.start(settings, Config(), run, "abc")
    assert first
    assert [r.message for r in caplog.records if r.levelname != "INFO"] == []
    first.log_metrics({"train/loss": 0.5}, 1)
    first.finalize("failed")
    again, other = (mlflow_run.start(settings, Config(), run, name) for name in ("abc", "def"))
    assert again
    assert other
    assert again.run_id == first.run_id != other.run_id
    assert again.experiment.get_run(again.run_id).info.status == "RUNNING"


def test_a_run_that_begins_without_its_server_is_refused(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = MlflowConfig(tracking_uri="http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"logger=mlflow: http://127\.0\.0\.1:9: .*logger=none"):
        mlflow_run.start(settings, Config(), Run(tmp_path), "abc")
    # One that goes on has more to lose.
    assert mlflow_run.start(settings, Config(), Run(trained), "abc") is None


def test_a_server_that_fails_later_is_said_once(
    trained: Path, uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = mlflow_run.start(MlflowConfig(tracking_uri=uri), Config(), Run(trained), "abc")
    assert logger
    logger.log_metrics({"train/loss": 0.5}, 1)
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    for step in (2, 3):
        logger.log_metrics({"train/loss": 0.5}, step)
    logger.finalize("success")
    assert capsys.readouterr().out.count("WARNING MLflow does not take metrics") == 1
