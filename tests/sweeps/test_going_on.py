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

from tests.support.called import call
from tests.support.processes import Command
from tests.support.runs import FILES, files_of, read
from tests.support.sweeps import begun, statuses, table

Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin(python: list[str], tmp_path: Path) -> Begin:
    """Starts `python -m imdb_cls.train …`."""

    def run(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*python, "-m", "imdb_cls.train", *words],
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


# Trial 1 is long enough to be killed in its second epoch, and trial 3 cannot be had.
SIZES = "data.train_size=96,480,100,999999"


def test_a_grid_that_is_killed_goes_on_where_it_was(
    begin: Begin, tiny: list[str], tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    words = ["-m", *tiny, SIZES, f"hydra.sweep.dir={sweep}"]
    first = begin(*words)
    wait_for(sweep / "1" / "train.log", "step=40 ")
    first.kill()
    first.communicate()
    time = (sweep / "0" / "metrics.json").stat().st_mtime_ns

    done = call("imdb_cls.train", *words)
    assert (done.code, done.err) == (1, "")
    assert statuses(sweep) == {**dict.fromkeys("012", "completed"), "3": "failed"}
    assert [begun(sweep, n) for n in "0123"] == [1, 2, 1, 0]
    assert (sweep / "0" / "metrics.json").stat().st_mtime_ns == time
    assert "going on after step 30" in (sweep / "1" / "train.log").read_text()
    assert all(files_of(sweep / n) == FILES for n in "012")
    assert "data.train_size=999999 asks for more" in read(sweep / "3", "run.json")["reason"]
    assert "trial 3 failed: data.train_size=999999" in done.out
    assert read(sweep, "sweep.json")["status"] == "failed"

    # Once more: nothing runs but the failed one, which is tried again.
    again = call("imdb_cls.train", *words)
    assert again.code == 1
    assert [begun(sweep, n) for n in "0123"] == [1, 2, 1, 0]
    assert again.out.count("completed before") == 3


def test_a_study_that_is_killed_goes_on_where_it_was(
    begin: Begin, tiny: list[str], tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    # The first four are drawn at random: 100, 480, 100 and 999999 reviews.
    search = ["sweep=optuna", "sweep.trials=5", "sweep.startup_trials=4", "sweep.seed=8"]
    space = ["data.train_size=choice(96,100,480,999999)", "model.learning_rate=interval(1e-4,1e-3)"]
    words = ["-m", *tiny, *search, *space, f"hydra.sweep.dir={sweep}"]
    first = begin(*words)
    wait_for(sweep / "1" / "train.log", "step=40 ")
    first.kill()
    first.communicate()
    planned = read(sweep, "sweep.json")["planned"]
    assert len(planned) == 2

    done = call("imdb_cls.train", *words)
    assert (done.code, done.err) == (1, "")
    whole = read(sweep, "sweep.json")["planned"]
    assert (whole[:2], len(whole)) == (planned, 5)
    failing = {str(n) for n, trial in enumerate(whole) if "data.train_size=999999" in trial}
    assert "3" in failing
    expected = {str(n): "failed" if str(n) in failing else "completed" for n in range(5)}
    assert statuses(sweep) == expected
    ended = {str(n): 0 if str(n) in failing else 1 for n in range(5)}
    assert {str(n): begun(sweep, str(n)) for n in range(5)} == {**ended, "1": 2}
    assert "going on after step 30" in (sweep / "1" / "train.log").read_text()
    # What the command line searches is searched there, and the space in conf/ is left for the rest.
    rates = [float(row["model.learning_rate"]) for row in table(sweep)]
    assert all(1e-4 <= rate <= 1e-3 for rate in rates)
    assert len({row["model.warmup_ratio"] for row in table(sweep)}) == 5

    # A longer study is the same study, longer.
    call("imdb_cls.train", *words, "sweep.trials=6")
    longer = read(sweep, "sweep.json")["planned"]
    assert (longer[:5], len(longer)) == (whole, 6)
    assert {str(n): begun(sweep, str(n)) for n in range(5)} == {**ended, "1": 2}


def test_ctrl_c_ends_the_sweep_after_a_checkpoint(
    begin: Begin, tiny: list[str], tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    words = ["-m", *tiny, "data.train_size=480", "seed=1,2", f"hydra.sweep.dir={sweep}"]
    first = begin(*words)
    wait_for(sweep / "0" / "train.log", "step=10 ")
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 130
    assert said.endswith("stopped: the same command goes on with this sweep\n")
    assert not (sweep / "1").exists()
    assert read(sweep, "sweep.json")["status"] == "stopped"

    seen = call("imdb_cls.sweep", sweep)
    assert (seen.code, seen.err) == (0, "")
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


def test_the_default_place_is_found_again(
    finished: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, sweep = finished["here"], finished["sweep"]
    words = [o for o in read(sweep, "sweep.json")["planned"][0] if not o.startswith("seed=")]
    # In another order, and with a knob that changes no result.
    monkeypatch.chdir(here)
    done = call("imdb_cls.train", "-m", "seed=1,2", *words)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("completed before") == 2
    assert list(here.glob("multirun/*/*")) == [sweep]
    assert [begun(sweep, n) for n in "01"] == [1, 1]


def test_a_single_run_joins_a_sweep(finished: dict[str, Any], tiny: list[str]) -> None:
    sweep = finished["sweep"]
    before = (sweep / "0" / "run.json").read_bytes()
    assert call("imdb_cls.train", *tiny, "seed=1", f"hydra.run.dir={sweep}/0").code == 0
    assert (sweep / "0" / "run.json").read_bytes() == before
    assert begun(sweep, "0") == 1
    assert call("imdb_cls.train", *tiny, "seed=2", f"hydra.run.dir={sweep}/7").code == 0
    assert not (sweep / "7").exists()
    assert call("imdb_cls.train", *tiny, "seed=3", f"hydra.run.dir={sweep}/7").code == 0
    assert files_of(sweep / "7") == FILES


def test_fresh_starts_over_and_keeps_what_was_there(tiny: list[str], tmp_path: Path) -> None:
    sweep = tmp_path / "mine"
    sweep.mkdir()
    (sweep / "sweep.json").write_text(json.dumps({"identity": "another"}))
    words = ["-m", *tiny, "seed=1", f"hydra.sweep.dir={sweep}"]
    assert call("imdb_cls.train", *words, "sweep.fresh=true").code == 0
    assert json.loads((tmp_path / "mine-1" / "sweep.json").read_text())["identity"] == "another"
    assert statuses(sweep) == {"0": "completed"}


def test_the_config_of_a_run_can_be_swept_over(trained: Path, tmp_path: Path) -> None:
    sweep, own = tmp_path / "sweep", [f"--config-dir={trained}", "--config-name=config"]
    done = call("imdb_cls.train", "-m", *own, "seed=3", f"hydra.sweep.dir={sweep}")
    assert (done.code, done.err) == (0, "")
    assert statuses(sweep) == {"0": "completed"}
    assert files_of(sweep / "0") == FILES
