"""A rehearsed job is the run of this machine, to the last digit, and leaves nothing else here,
though it was interrupted, had no network, and an ordinary user began it."""

import importlib.util
import json
import math
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from launch.rehearsal.container import namespaces
from tests.support.called import call
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


def test_an_interrupted_spot_job_goes_on_where_it_was(rehearsal: Path) -> None:
    said = read(rehearsal, "seen.json")["said"]
    (resumed,) = [line for line in said.splitlines() if line.startswith("going on after step ")]
    assert 10 <= int(resumed.split()[-1]) < 60
    assert said.index("\nstopped\n") < said.index(resumed)


def test_its_record_is_that_of_the_local_run_and_its_jobs(local_run: Path, rehearsal: Path) -> None:
    ours, theirs = read(rehearsal / "run", "run.json"), read(local_run, "run.json")
    assert (ours["status"], ours["backend"], ours["rehearsal"]) == ("completed", "sagemaker", True)
    assert ours["job_name"].startswith("imdb-cls-")
    assert ours["reason"] is None
    for name in ("fingerprint", "seed", "precision", "versions", "git_commit"):
        assert ours[name] == theirs[name], name
    for name in ("data", "data_fingerprint", "weights_sha256", "sizes", "fallback"):
        assert ours["resolved"][name] == theirs["resolved"][name], name
    assert "backend.rehearse=true" in ours["command"]
    assert ours["started"] <= ours["finished"]
    job = ours["job"]
    assert (job["status"], job["spot"]) == ("Completed", True)
    assert job["instance_type"] == "ml.g5.xlarge"
    (without_machine,) = ours["previous_jobs"]
    assert (without_machine["instance_type"], without_machine["cost_usd"]) == ("ml.p3.2xlarge", 0)
    assert job["seconds_billed"] >= ours["seconds"]
    assert math.isclose(
        job["cost_usd"], job["seconds_billed"] * job["price_per_hour"] / 3600, abs_tol=1e-4
    )
    last = {r["name"]: float(r["value"]) for r in rows(rehearsal / "run")}
    assert job["final_metrics"] == last


def test_its_config_is_that_of_the_local_run(local_run: Path, rehearsal: Path) -> None:
    ours, theirs = ((p / "config.yaml").read_text() for p in (rehearsal / "run", local_run))
    assert "/opt/ml" not in ours
    own = [line for line in ours.splitlines() if line not in theirs.splitlines()]
    # It has a copy of the tiny model, and a cache.
    assert all(line.startswith(("    name: ", "cache_dir: ")) for line in own), own
    assert len(ours.splitlines()) == len(theirs.splitlines())


def test_the_command_returns_what_a_local_run_returns(local_run: Path, rehearsal: Path) -> None:
    accuracy = read(local_run, "metrics.json")["val"]["accuracy"]
    assert f"\nreturned: {accuracy}\n" in read(rehearsal, "seen.json")["said"]


def test_a_job_without_a_network_installs_from_its_wheels(rehearsal: Path) -> None:
    seen = read(rehearsal, "seen.json")
    if seen["skip"]:
        pytest.skip(seen["skip"])
    assert "\nSM_CHANNEL_WHEELS=" in seen["said"]
    assert "AWS_ENDPOINT_URL" not in seen["said"]
    # Into an environment of its own.
    assert importlib.util.find_spec("inflection") is None


def test_a_container_without_a_network_has_none() -> None:
    def addresses(isolated: bool) -> str:
        words = [*namespaces(isolated), "cat", "/proc/net/fib_trie"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    assert "127.0.0.1" in addresses(False)
    assert "127.0.0.1" not in addresses(True)


def test_predict_and_evaluate_read_it_as_a_local_run(
    local_run: Path,
    rehearsal: Path,
    tmp_path: Path,
) -> None:
    said = []
    for run in (rehearsal / "run", local_run):
        said.append(json.loads(call("imdb_cls.predict", f"run={run}", "A wonderful film.").out))
        scored = tmp_path / run.parent.name
        assert call("imdb_cls.evaluate", f"run={run}", f"output={scored}").code == 0
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


def test_an_ordinary_user_rehearses_too(rehearsal: Path) -> None:
    owner = (rehearsal / "run" / "run.json").stat().st_uid
    if owner == 0:
        pytest.skip("an ordinary user cannot read this Python, or may not have namespaces")
    assert {p.stat().st_uid for p in (rehearsal / "run").rglob("*")} == {owner}


def test_ctrl_c_ends_a_rehearsal_and_all_that_it_started(
    tiny: list[str], tmp_path: Path, python: list[str]
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    words = [*tiny, *SMALL, *REHEARSED, f"hydra.run.dir={tmp_path}/run"]
    with started(
        [*python, "-m", "imdb_cls.train", *words],
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
    unshare: str | None,
) -> None:
    for name in ("bin", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    if unshare:
        (tmp_path / "bin" / "unshare").write_text(f"#!/bin/sh\n{unshare}\n")
        (tmp_path / "bin" / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    said = call("imdb_cls.train", *tiny, *REHEARSED, f"hydra.run.dir={tmp_path}/run")
    assert said.out == ""
    assert said.line.startswith("error: backend.rehearse=true")
    assert ("Operation not permitted" if unshare else "unshare command") in said.line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bin", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
