"""A value that no run of ours records is one line: the file, the field, the value, the allowed."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs import predictions
from imdb_cls.runs.info import RunInfo
from imdb_cls.runs.metrics import read_metrics
from imdb_cls.runs.records import read_sweep
from imdb_cls.runs.yaml_files import read_yaml
from tests.support.records import INFO, METRICS, SWEEP

NAN, INF = float("nan"), float("inf")


def refused(
    read: Callable[[Path], Any], file: Path, values: object, way: str, value: object
) -> str:
    """The line about a file in which the field at `way` (job.region) has this value."""
    values = copy.deepcopy(values)
    holder: Any = values
    *groups, name = way.split(".")
    for group in groups:
        holder = holder[int(group) if isinstance(holder, list) else group]
    holder[name] = value
    file.write_text(json.dumps(values))
    with pytest.raises(UserError) as caught:
        read(file)
    line = str(caught.value)
    assert str(file) in line
    assert name in line
    assert len(line.splitlines()) == 1
    return line


def read_info(file: Path) -> RunInfo:
    return RunInfo.of(json.loads(file.read_text()), file)


TEXT, WHOLE, NUMBER, TRUTH = "a text", "a whole number", "a number", "true or false"


@pytest.mark.parametrize(
    ("way", "allowed", "wrong"),
    [
        ("command", TEXT, [1, ["a"], {}, True]),
        ("seed", WHOLE, ["1", 1.5, True, 2**63, [1]]),
        ("seconds", NUMBER, ["1", True, NAN, INF, -INF]),
        ("overrides", "a list", ["seed=1", {"a": 1}]),
        ("resolved", "an object", [1, "a", [1]]),
        ("resolved.sizes", "an object", [1, [1]]),
        ("resolved.fallback", TRUTH, [0, "false"]),
        ("resolved.left_out", WHOLE, ["1", 0.5]),
        ("previous_jobs", "a list", [{}, "a"]),
        ("job", "an object", ["a", [1]]),
        ("job.spot", TRUTH, [1, "no"]),
        ("job.instance_count", WHOLE, ["1", NAN]),
        ("job.cost_usd", NUMBER, ["free", INF]),
        ("versions.torch", TEXT, [2, ["2"]]),
        ("parts.train", NUMBER, ["3", NAN]),
        ("pruned", TRUTH, [1, "true"]),
        ("job_name", TEXT, [7, {}]),
    ],
)
def test_a_fact_of_another_type(tmp_path: Path, way: str, allowed: str, wrong: list[Any]) -> None:
    for value in wrong:
        line = refused(read_info, tmp_path / "run.json", INFO, way, value)
        assert line.endswith(f"={value!r} is not {allowed}: the file is damaged")


@pytest.mark.parametrize(
    ("way", "value", "said"),
    [
        ("status", "done", "status=done: allowed are running, completed, failed, stopped"),
        ("started", "yesterday", "started is damaged: Invalid isoformat string: 'yesterday'"),
        (
            "finished",
            "2026-11-24T15:02:17",
            "finished is damaged: '2026-11-24T15:02:17' has no time",
        ),
        ("seconds", -1.0, "seconds=-1 must be at least 0"),
        ("parts.train", -2.0, "train=-2 must be at least 0"),
        ("job.cost_usd", -0.25, "cost_usd=-0.25 must be at least 0"),
        ("overrides", ["seed=1", 2], "overrides[1]=2 is not a text"),
        ("previous_jobs", [{"region": 1}], "previous_jobs[0]: region=1 is not a text"),
    ],
)
def test_a_fact_that_is_impossible(tmp_path: Path, way: str, value: object, said: str) -> None:
    line = refused(read_info, tmp_path / "run.json", INFO, way, value)
    assert said in line


@pytest.mark.parametrize(
    ("way", "wrong"),
    [
        ("val", [1, "a", [], {}, {"loss": 0.5}]),
        *(
            (f"test.{name}", [-0.1, 1.1, "1", None, True, INF])
            for name in ("accuracy", "f1", "ece")
        ),
        ("test.loss", [-1, "1", None]),
        ("val.mcc", [-1.1, 1.1, [0]]),
        ("val.accuracy_ci95", [1, [0.5], [0.1, "a"], [0.1, 0.2, 0.3], {}]),
        ("test.samples", [0, -1, 1.5, "9", True]),
        ("calibration", [1, [], "a"]),
        ("calibration.temperature", [0, -1, NAN, "1", None]),
        ("fast", [1, [], "a"]),
        ("fast.file", [1, None]),
        ("fast.val_agreement", ["1", None]),
        ("fast.tried", [1, []]),
        ("fast.tried.int8", ["1", None]),
    ],
)
def test_a_score_that_is_impossible(tmp_path: Path, way: str, wrong: list[Any]) -> None:
    for value in wrong:
        line = refused(read_metrics, tmp_path / "metrics.json", METRICS, way, value)
        assert line.endswith(f"={value!r} is impossible: the file is damaged")


@pytest.mark.parametrize(
    ("name", "wrong", "allowed"),
    [
        ("status", ["done", "waiting"], "allowed are running, completed, failed, stopped"),
        ("direction", ["up", ""], "allowed are min, max"),
        ("metric", ["val/speed", "accuracy"], "allowed are val/loss, val/accuracy, "),
        ("started", ["soon"], "Invalid isoformat string"),
        ("planned", ["seed=1", {"a": []}], "is not a list: the file is damaged"),
        ("planned", [["seed=1"], [["seed=1", 2]]], "the file is damaged"),
        ("identity", [1, []], "is not a text: the file is damaged"),
    ],
)
def test_a_fact_of_a_sweep(tmp_path: Path, name: str, wrong: list[Any], allowed: str) -> None:
    for value in wrong:
        assert allowed in refused(read_sweep, tmp_path / "sweep.json", SWEEP, name, value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not a mapping"),
        ("- a", "it is not a mapping"),
        ("a: [", "is damaged: while parsing"),
        ("a: &b [1]\nc: *b", "it has aliases"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: \x00", "characters are not allowed"),
        ("? [a]\n: b", "is damaged: "),
        ("a: 2026-99-99", "is damaged: "),
        ("[" * 5000, "is damaged: "),
    ],
)
def test_what_is_no_mapping_of_plain_values(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        read_yaml(tmp_path / "config.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/config.yaml is damaged: ")
    assert len(str(caught.value).splitlines()) == 1


COLUMNS: dict[str, list[Any]] = {
    "index": [3, 4],
    "label": [0, 1],
    "probability": [0.25, 0.75],
    "tokens": [9, 8],
    "truncated": [False, True],
}


def test_predictions_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.table(COLUMNS), tmp_path / "p.parquet")
    found = predictions.read(tmp_path / "p.parquet")
    assert found is not None
    assert np.array_equal(found.correct, [True, True])
    assert predictions.read(tmp_path / "absent.parquet") is None


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("label", [0, 2]),
        ("label", ["a", "b"]),
        ("label", [0, None]),
        ("probability", [0.5, 1.5]),
        ("probability", [0.5, NAN]),
        ("probability", [0.5, None]),
        ("tokens", [0, 1]),
        ("tokens", [9, None]),
        ("index", ["a", "b"]),
        ("index", None),
        ("truncated", None),
    ],
)
def test_predictions_that_are_impossible(tmp_path: Path, column: str, values: Any) -> None:
    columns = {**COLUMNS, column: values}
    pq.write_table(pa.table({n: v for n, v in columns.items() if v}), tmp_path / "p.parquet")
    with pytest.raises(UserError, match=r"p\.parquet is damaged: .+"):
        predictions.read(tmp_path / "p.parquet")
