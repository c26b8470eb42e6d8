"""A rehearsed job is the run of this machine, to the last digit, and leaves nothing else here."""

import json
import math
import os
import signal
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from imdb_cls import evaluate, predict
from tests.support.planted import contents, leaks
from tests.support.processes import processes_of, started, until
from tests.support.rehearsed import REHEARSED, SMALL
from tests.support.runs import FILES, files_of, metrics_of, read, rows, values


def test_a_rehearsal_gives_what_a_local_run_gives(local_run: Path, rehearsal: Path) -> None:
    run = rehearsal / "run"
    assert metrics_of(run) == metrics_of(local_run)
    assert values(run) == values(local_run)
    assert pq.read_table(run / "predictions.parquet").equals(
        pq.read_table(local_run / "predictions.parquet")
    )
    weights = "model/model.safetensors"
    assert (run / weights).read_bytes() == (local_run / weights).read_bytes()


def test_it_leaves_the_files_of_a_local_run(local_run: Path, rehearsal: Path) -> None:
    assert files_of(rehearsal / "run") == files_of(local_run) == FILES


def test_its_record_is_that_of_the_local_run_and_its_jobs(local_run: Path, rehearsal: Path) -> None:
    ours, theirs = read(rehearsal / "run", "run.json"), read(local_run, "run.json")
    assert (ours["status"], ours["backend"], ours["rehearsal"]) == ("completed", "sagemaker", True)
    assert ours["job_name"].startswith("imdb-cls-")
    for name in ("fingerprint", "seed", "precision", "versions", "git_commit"):
        assert ours[name] == theirs[name], name
    for name in ("data", "data_fingerprint", "weights_sha256", "sizes", "fallback"):
        assert ours["resolved"][name] == theirs["resolved"][name], name
    assert "backend.rehearse=true" in ours["command"]
    assert ours["started"] <= ours["finished"]
    job = ours["job"]
    assert job["status"] == "Completed"
    assert job["instance_type"] == "ml.p3.2xlarge"
    assert job["seconds_billed"] >= ours["seconds"]
    assert math.isclose(
        job["cost_usd"], job["seconds_billed"] * job["price_per_hour"] / 3600, abs_tol=1e-4
    )
    last = {r["name"]: float(r["value"]) for r in rows(rehearsal / "run")}
    assert job["final_metrics"] == last


def test_its_config_is_that_of_the_local_run(local_run: Path, rehearsal: Path) -> None:
    ours, theirs = ((p / "config.yaml").read_text() for p in (rehearsal / "run", local_run))
    assert "/opt/ml" not in ours
    models = [line for line in ours.splitlines() if line not in theirs.splitlines()]
    # Each worker has a copy of the tiny model.
    assert all(line.startswith("    name: ") for line in models), models
    assert len(ours.splitlines()) == len(theirs.splitlines())


def test_predict_and_evaluate_read_it_as_a_local_run(
    local_run: Path,
    rehearsal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    said = []
    for run in (rehearsal / "run", local_run):
        monkeypatch.setattr(sys, "argv", ["predict", f"run={run}", "A wonderful film."])
        predict.main()
        said.append(json.loads(capfd.readouterr().out))
        scored = tmp_path / run.parent.name
        monkeypatch.setattr(sys, "argv", ["evaluate", f"run={run}", f"output={scored}"])
        evaluate.main()
        capfd.readouterr()
        again, tested = read(scored, "metrics.json"), read(run, "metrics.json")["test"]
        for name in ("loss", "accuracy", "confusion_matrix", "auroc"):
            assert again[name] == tested[name]
    assert said[0] == said[1]
    assert {"label", "score"} <= set(said[0])


def test_it_changes_nothing_outside_its_own_directory(rehearsal: Path) -> None:
    seen = read(rehearsal, "seen.json")
    assert seen["changed"] == []
    assert seen["processes"] == []
    assert seen["errors"] == ""


def test_it_shows_nobody_the_users_secrets(rehearsal: Path) -> None:
    said = read(rehearsal, "seen.json")["said"]
    # The container lists its environment there: it would be seen.
    assert "\nTRAINING_JOB_NAME=imdb-cls-" in said
    assert leaks({"the log": said.encode(), **contents(rehearsal / "run")}) == []


def test_ctrl_c_ends_a_rehearsal_and_all_that_it_started(tiny: list[str], tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    words = [*tiny, *SMALL, *REHEARSED, f"hydra.run.dir={tmp_path}/run"]
    with started(
        [sys.executable, "-m", "imdb_cls.train", *words],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        until(process, "Starting training script")
        assert len(processes_of(temporary)) > 1
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopped: a rehearsal ends with its command" in said
    assert "Traceback" not in said
    assert processes_of(temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("unshare", [None, "echo 'unshare: Operation not permitted' >&2; exit 1"])
def test_a_machine_without_namespaces_is_told_so(
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    unshare: str | None,
) -> None:
    from imdb_cls.train import main

    for name in ("bin", "tmp"):
        (tmp_path / name).mkdir()
    if unshare:
        (tmp_path / "bin" / "unshare").write_text(f"#!/bin/sh\n{unshare}\n")
        (tmp_path / "bin" / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    words = [*tiny, *REHEARSED, f"hydra.run.dir={tmp_path}/run"]
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = capfd.readouterr()
    assert (end.value.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("error: backend.rehearse=true")
    assert ("Operation not permitted" if unshare else "unshare command") in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bin", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
