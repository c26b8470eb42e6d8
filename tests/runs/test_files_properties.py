"""Whatever stands in a file of a run: it is what a run of ours records, or one line says what is
wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from imdb_cls.inference.settings import Settings
from imdb_cls.inference.shape import Shape
from imdb_cls.runs import predictions, results
from imdb_cls.runs.info import RunInfo, plain_values
from imdb_cls.runs.metrics import read_curves, read_metrics
from imdb_cls.runs.outcome import outcome_of
from imdb_cls.runs.records import metrics_of, read_sweep, seconds_of, status_of
from imdb_cls.runs.run import Run
from imdb_cls.runs.yaml_files import read_yaml
from imdb_cls.training.loggers.table import TableLogger
from tests.support.anything import JSON, TEXTS, changed, dumped, few, harmed, refusal
from tests.support.made_sweeps import Made
from tests.support.records import INFO, METRICS, SETTINGS, SHAPE, SWEEP

FILES: dict[str, tuple[dict[str, Any], Any]] = {
    "run.json": (INFO, lambda file: Run(file.parent).info()),
    "metrics.json": (METRICS, read_metrics),
    "sweep.json": (SWEEP, read_sweep),
    "inference.json": (SETTINGS, lambda file: Settings.read(file.parent)),
    "config.json": (SHAPE, lambda file: Shape.read(file.parent)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_read(tmp_path: Path, name: str) -> None:
    values, read = FILES[name]
    (tmp_path / name).write_text(json.dumps(values))
    read(tmp_path / name)


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_any_values_are_read_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    values, read = FILES[name]
    file = tmp_path / name
    file.write_text(dumped(data.draw(JSON | changed(values))))
    said = refusal(lambda: read(file))
    assert said is None or str(tmp_path) in said


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    values, read = FILES[name]
    (tmp_path / name).write_bytes(data.draw(harmed(dumped(values).encode())))
    refusal(lambda: read(tmp_path / name))


def use(run: Run) -> None:
    """All that readers ask of a run's record."""
    info = run.info()
    status = status_of(run, info, sweep_lives=False)
    json.dumps([info.plain_reason, info.cost_usd, info.is_live_job, seconds_of(info, status)])
    outcome_of(run, "val/loss")
    metrics_of(run, info)
    run.how_to_go_on()
    assert RunInfo.of(plain_values(info), run.record_file) == info


@given(changed(INFO), changed(METRICS))
@example({"status": "running", "job_name": "a"}, METRICS)
def test_what_was_read_can_be_used(
    tmp_path: Path, values: dict[str, Any], metrics: dict[str, Any]
) -> None:
    run = Run(tmp_path)
    run.record_file.write_text(dumped(values))
    run.metrics_file.write_text(dumped(metrics))
    refusal(lambda: use(run))


@given(data=st.data())
def test_any_config_is_read_or_refused(tmp_path: Path, config: str, data: st.DataObject) -> None:
    run = Run(tmp_path)
    run.record_file.write_text(dumped(INFO))
    values = changed(yaml.safe_load(config))
    texts = (JSON | values).map(lambda v: yaml.dump(v)) | harmed(config.encode()) | TEXTS
    drawn = data.draw(texts)
    run.config_file.write_bytes(
        drawn if isinstance(drawn, bytes) else drawn.encode("utf-8", "replace")
    )
    for read in (lambda: read_yaml(run.config_file), run.raw_config, run.config):
        said = refusal(read)
        assert said is None or str(run.config_file) in said


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = Made(tmp_path_factory.mktemp("made") / "sweep")
    return (made.trial("seed=1") / "config.yaml").read_text()


@few
@given(data=st.data())
def test_a_sweep_with_any_files_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    made = Made(tmp_path_factory.mktemp("sweep") / "sweep")
    runs = [made.trial("seed=1"), made.trial("seed=2")]
    files = [made.path / "sweep.json", *(path for run in runs for path in run.iterdir())]
    file = data.draw(st.sampled_from(sorted(f for f in files if f.suffix != ".log")))
    if file.suffix == ".csv":
        file.write_bytes(data.draw(harmed(file.read_bytes())))
    else:
        values = yaml.safe_load(file.read_text())
        file.write_text(dumped(data.draw(changed(values) | JSON)))
    said = refusal(lambda: results.read(made.path))
    assert said is None or "sweep.json" in said


TABLE = b"step,epoch,name,value,time\n5,0,val/loss,0.5,1.0\n6,0,train/loss,0.25,1.5\n"


@given(harmed(TABLE))
@example("step,epoch,name,value,time\n٥,0,val/loss,0.5,1.0\n".encode())
@example(b"9" * 5000 + b",0,val/loss,0.5,1.0\n")
@example("²,0,val/loss,0.5,1.0\n".encode())
def test_any_table_is_read(tmp_path: Path, content: bytes) -> None:
    table = TableLogger(tmp_path / "metrics.csv")
    table.path.write_bytes(content)
    refusal(lambda: read_curves(table.path))
    table.go_on(10**9, None)
    rows = table.rows
    again = TableLogger(table.path)
    again.go_on(10**9, None)
    assert again.rows == rows
    again.values_at(5, "val/")


@given(data=st.data())
def test_any_predictions_are_read_or_refused(
    trained: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = (trained / "predictions.parquet").read_bytes()
    (tmp_path / "predictions.parquet").write_bytes(data.draw(harmed(content)))
    refusal(lambda: predictions.read(tmp_path / "predictions.parquet"))
