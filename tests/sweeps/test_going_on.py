"""A sweep that is killed ends, run again, as if nothing had been; no finished trial runs twice."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Command
from tests.support.runs import FILES, files_of, read
from tests.support.sweeps import begun, statuses, table

Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin(python: list[str], tmp_path: Path) -> Begin:
    """Starts `python -m imdb_cls.train -m …`."""

    def run(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*python, "-m", "imdb_cls.train", "-m", *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(os.environ),
        )

    return run


def wait_for(log: Path, text: str) -> None:
    until = time.monotonic() + 60
    while not (log.is_file() and text in log.read_text()):
        assert time.monotonic() < until, f"no {text!r} in {log}"
        time.sleep(0.02)


# Trial 3 is long enough to be killed in its second epoch, and trial 5 cannot be had.
SIZES = "data.train_size=96,100,104,960,108,999999"


def test_a_grid_that_is_killed_goes_on_where_it_was(
    begin: Begin, command: Command, tiny: list[str], tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    words = [*tiny, SIZES, f"hydra.sweep.dir={sweep}"]
    first = begin(*words)
    wait_for(sweep / "3" / "train.log", "step=70 ")
    first.kill()
    first.communicate()
    times = {n: (sweep / n / "metrics.json").stat().st_mtime_ns for n in "012"}

    done = command("train", "-m", *words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert statuses(sweep) == {**dict.fromkeys("01234", "completed"), "5": "failed"}
    assert [begun(sweep, n) for n in "012345"] == [1, 1, 1, 2, 1, 0]
    assert {n: (sweep / n / "metrics.json").stat().st_mtime_ns for n in "012"} == times
    assert "going on after step 60" in (sweep / "3" / "train.log").read_text()
    assert all(files_of(sweep / n) == FILES for n in "01234")
    assert "data.train_size=999999 asks for more" in read(sweep / "5", "run.json")["reason"]
    assert "trial 5 failed: data.train_size=999999" in done.stdout
    assert read(sweep, "sweep.json")["status"] == "failed"

    # Once more: nothing runs but the failed one, which is tried again.
    again = command("train", "-m", *words, cwd=tmp_path)
    assert again.returncode == 1
    assert [begun(sweep, n) for n in "012345"] == [1, 1, 1, 2, 1, 0]
    assert again.stdout.count("completed before") == 5


def test_a_study_that_is_killed_goes_on_where_it_was(
    begin: Begin, command: Command, tiny: list[str], tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    # The first six are drawn at random: 100, 960, 100, 999999, 96 and 96 reviews.
    search = ["sweep=optuna", "sweep.trials=8", "sweep.startup_trials=6", "sweep.seed=8"]
    space = ["data.train_size=choice(96,100,960,999999)", "model.learning_rate=interval(1e-4,1e-3)"]
    words = [*tiny, *search, *space, f"hydra.sweep.dir={sweep}"]
    first = begin(*words)
    wait_for(sweep / "1" / "train.log", "step=70 ")
    first.kill()
    first.communicate()
    planned = read(sweep, "sweep.json")["planned"]
    assert len(planned) == 2

    done = command("train", "-m", *words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    whole = read(sweep, "sweep.json")["planned"]
    assert (whole[:2], len(whole)) == (planned, 8)
    failing = {str(n) for n, trial in enumerate(whole) if "data.train_size=999999" in trial}
    assert "3" in failing
    expected = {str(n): "failed" if str(n) in failing else "completed" for n in range(8)}
    assert statuses(sweep) == expected
    ended = {str(n): 0 if str(n) in failing else 1 for n in range(8)}
    assert {str(n): begun(sweep, str(n)) for n in range(8)} == {**ended, "1": 2}
    assert "going on after step 60" in (sweep / "1" / "train.log").read_text()
    # What the command line searches is searched there, and the space in conf/ is left for the rest.
    rates = [float(row["model.learning_rate"]) for row in table(sweep)]
    assert all(1e-4 <= rate <= 1e-3 for rate in rates)
    assert len({row["model.warmup_ratio"] for row in table(sweep)}) == 8

    # A longer study is the same study, longer.
    command("train", "-m", *words, "sweep.trials=9", cwd=tmp_path)
    longer = read(sweep, "sweep.json")["planned"]
    assert (longer[:8], len(longer)) == (whole, 9)
    assert {str(n): begun(sweep, str(n)) for n in range(8)} == {**ended, "1": 2}


def test_ctrl_c_ends_the_sweep_after_a_checkpoint(
    begin: Begin, command: Command, tiny: list[str], tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    words = [*tiny, "data.train_size=960", "seed=1,2", f"hydra.sweep.dir={sweep}"]
    first = begin(*words)
    wait_for(sweep / "0" / "train.log", "step=10 ")
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 130
    assert said.endswith("stopped: the same command goes on with this sweep\n")
    assert not (sweep / "1").exists()
    assert read(sweep, "sweep.json")["status"] == "stopped"

    seen = command("sweep", str(sweep))
    assert (seen.returncode, seen.stderr) == (0, "")
    assert statuses(sweep) == {"0": "stopped", "1": "waiting"}


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny: list[str], command: Command
) -> dict[str, Any]:
    """A sweep over two seeds in the default place, and what it said."""
    here = tmp_path_factory.mktemp("finished")
    done = command("train", "-m", *tiny, "seed=1,2", cwd=here)
    assert done.returncode == 0, done.stderr
    (sweep,) = here.glob("multirun/*/*")
    return {"here": here, "sweep": sweep, "said": done.stdout}


def test_trials_that_differ_by_seed_are_one_row(finished: dict[str, Any]) -> None:
    assert f"{finished['sweep'].name}: 2 completed" in finished["said"]
    lines = finished["said"].splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("trials "))
    assert "0, 1" in lines[head + 1]
    assert "±" in lines[head + 1]


def test_the_default_place_is_found_again(finished: dict[str, Any], command: Command) -> None:
    here, sweep = finished["here"], finished["sweep"]
    words = [o for o in read(sweep, "sweep.json")["planned"][0] if not o.startswith("seed=")]
    # In another order, and with a knob that changes no result.
    done = command("train", "-m", "seed=1,2", *words, cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("completed before") == 2
    assert list(here.glob("multirun/*/*")) == [sweep]
    assert [begun(sweep, n) for n in "01"] == [1, 1]


def test_a_single_run_joins_a_sweep(
    finished: dict[str, Any], tiny: list[str], command: Command
) -> None:
    sweep = finished["sweep"]
    before = (sweep / "0" / "run.json").read_bytes()
    same = command("train", *tiny, "seed=1", f"hydra.run.dir={sweep}/0")
    assert same.returncode == 0, same.stderr
    assert (sweep / "0" / "run.json").read_bytes() == before
    assert begun(sweep, "0") == 1
    elsewhere = command("train", *tiny, "seed=2", f"hydra.run.dir={sweep}/7")
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert not (sweep / "7").exists()
    new = command("train", *tiny, "seed=3", f"hydra.run.dir={sweep}/7")
    assert new.returncode == 0, new.stderr
    assert files_of(sweep / "7") == FILES


def test_fresh_starts_over_and_keeps_what_was_there(
    finished: dict[str, Any], tiny: list[str], command: Command, tmp_path: Path
) -> None:
    sweep = tmp_path / "mine"
    sweep.mkdir()
    (sweep / "sweep.json").write_text(json.dumps({"identity": "another"}))
    words = [*tiny, "seed=1", f"hydra.sweep.dir={sweep}"]
    done = command("train", "-m", *words, "sweep.fresh=true")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "mine-1" / "sweep.json").read_text())["identity"] == "another"
    assert statuses(sweep) == {"0": "completed"}


def test_the_config_of_a_run_can_be_swept_over(
    trained: Path, command: Command, tmp_path: Path
) -> None:
    sweep, own = tmp_path / "sweep", [f"--config-dir={trained}", "--config-name=config"]
    done = command("train", "-m", *own, "seed=3", f"hydra.sweep.dir={sweep}", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert statuses(sweep) == {"0": "completed"}
    assert files_of(sweep / "0") == FILES
