"""Kill it anywhere and go on: the result is that of a run that nobody touched."""

import errno
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.training.fit import resume
from imdb_cls.training.recording import run_lock
from imdb_cls.training.resume import resumed_config
from tests.support.cut_runs import copied
from tests.support.once import once
from tests.support.processes import Command
from tests.support.runs import FILES, Train, files_of, metrics_of, read, values

# Long enough to be stopped in the middle; a checkpoint every 0.6 s.
LONG = ("data.train_size=480", "data.max_length=64", "trainer.checkpoint_minutes=0.01")


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(python: list[str], tiny: list[str]) -> Start:
    """Begins a long run of the tiny model in this directory, with these overrides."""

    def run(path: Path, *overrides: str) -> "subprocess.Popen[str]":
        words = [*tiny, *LONG, *overrides, f"hydra.run.dir={path}"]
        return subprocess.Popen(
            [*python, "-m", "imdb_cls.train", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=path.parent,
        )

    return run


def stop_at(process: "subprocess.Popen[str]", step: int, signum: int) -> str:
    """Sends the signal once the step is printed. Returns what is printed after that."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(f"step={step} "):
            os.kill(process.pid, signum)
            break
    rest, _ = process.communicate(timeout=120)
    return rest


@pytest.fixture(scope="session")
def untouched(shared: Path, tiny: list[str], command: Command) -> Path:
    def make(path: Path) -> None:
        done = command("train", *tiny, *LONG, f"hydra.run.dir={path}/run")
        assert done.returncode == 0, done.stderr

    return once(shared, "untouched", make) / "run"


@pytest.mark.parametrize(
    ("signum", "step"),
    [(signal.SIGTERM, 30), (signal.SIGKILL, 50)],
    ids=["terminated at an epoch's end", "killed later"],
)
def test_a_stopped_run_ends_as_if_it_had_not_been(
    untouched: Path, start: Start, command: Command, tmp_path: Path, signum: int, step: int
) -> None:
    run = tmp_path / "run"
    process = start(run)
    said = stop_at(process, step, signum)
    if signum == signal.SIGKILL:
        assert process.returncode == -signum
        assert read(run, "run.json")["status"] == "running"
    else:
        assert process.returncode == 128 + signum
        assert f"go on with python -m imdb_cls.train resume={run}" in said
        assert read(run, "run.json")["status"] == "stopped"

    done = command("train", f"resume={run}")
    assert done.returncode == 0, done.stderr
    assert_the_same(run, untouched)


def assert_the_same(run: Path, untouched: Path) -> None:
    assert metrics_of(run) == metrics_of(untouched)
    assert values(run) == values(untouched)
    assert files_of(run) == FILES
    assert read(run, "run.json")["status"] == "completed"


def test_a_stop_at_the_last_step_loses_nothing(
    start: Start, command: Command, tmp_path: Path
) -> None:
    """best.ckpt is written before last.ckpt, and a run that is only tested on resuming needs it."""
    run = tmp_path / "run"
    process = start(run, "trainer.max_epochs=1")
    stop_at(process, 30, signal.SIGINT)
    assert process.returncode == 128 + signal.SIGINT
    assert read(run, "run.json")["status"] == "stopped"
    done = command("train", f"resume={run}")
    assert done.returncode == 0, done.stderr
    # On a fast machine last.ckpt was saved once, and there is none before it.
    assert files_of(run) | {"checkpoints/previous.ckpt"} == FILES


def test_a_run_without_a_checkpoint_begins_anew_in_its_directory(
    untouched: Path, start: Start, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(run, "trainer.checkpoint_minutes=60")
    stop_at(process, 2, signal.SIGKILL)
    assert not (run / "checkpoints").exists()
    assert command("train", f"resume={run}").returncode == 0
    assert (
        read(run, "metrics.json")["test"]["loss"] == read(untouched, "metrics.json")["test"]["loss"]
    )


def test_the_same_command_with_resume_behind_it_resumes(
    untouched: Path, tiny: list[str], command: Command
) -> None:
    done = command("train", *tiny, *LONG, f"resume={untouched}")
    assert done.returncode == 0, done.stderr
    assert "complete already" in done.stdout


@pytest.mark.parametrize("override", ["data.train_size=50", "seed=3", "model.learning_rate=1"])
def test_a_resumed_run_stays_the_run_it_is(untouched: Path, override: str) -> None:
    with pytest.raises(UserError) as error:
        resumed_config(Run(untouched), [f"resume={untouched}", override])
    assert str(error.value).startswith(f"{override}: a resumed run keeps its own config")


def test_a_live_run_is_not_resumed_twice(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(run, "trainer.max_epochs=50")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step="):
            break
    with pytest.raises(UserError, match="still running in another process"), run_lock(Run(run)):
        pass
    process.kill()
    process.communicate()
    assert read(run, "run.json")["status"] == "running"


def test_a_refused_resume_changes_nothing(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    before = {name: (run / name).read_bytes() for name in files_of(run)}
    with run_lock(Run(run)), pytest.raises(UserError, match="still running in another process"):
        resume(str(run), run, ["trainer.max_epochs=3"])
    assert {name: (run / name).read_bytes() for name in files_of(run)} == before


def test_a_copy_of_a_live_run_is_a_run_of_its_own(trained: Path, tmp_path: Path) -> None:
    original = copied(trained, tmp_path / "original")
    with run_lock(Run(original)), run_lock(Run(copied(original, tmp_path / "copy"))):
        pass


def test_a_file_system_without_locks_is_used_with_a_warning(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    run = Run(copied(trained, tmp_path / "run"))
    with pytest.warns(UserWarning, match="train.log: this file system has no locks"), run_lock(run):
        pass


def test_a_run_that_was_killed_before_it_began_begins_again_in_its_place(
    train_here: Train, trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.yaml", ".run.json.4194999", "train.log"):
        (run / name).touch()
    (run / "config.yaml").write_bytes((trained / "config.yaml").read_bytes())
    with pytest.raises(UserError, match=f"killed before it began: hydra.run.dir={run} begins it"):
        Run.open(run)
    with pytest.raises(UserError, match=f"hydra.run.dir={run} holds files already"):
        train_here("seed=2")
    assert (run / "config.yaml").read_bytes() == (trained / "config.yaml").read_bytes()
    train_here()
    assert metrics_of(run) == metrics_of(trained)
    assert files_of(run) == FILES


def test_a_run_that_cannot_be_recorded_leaves_nothing(
    train_here: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, values: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("imdb_cls.runs.run.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        train_here()
    assert files_of(tmp_path) == set()


def test_a_run_stopped_early_keeps_its_wandb_id_and_ends_the_same(
    untouched: Path, start: Start, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(run, "logger=wandb", "logger.wandb.mode=offline")
    stop_at(process, 10, signal.SIGTERM)
    done = command("train", f"resume={run}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = sorted(p.name.split("-")[-1] for p in (tmp_path / "wandb").glob("offline-run-*"))
    assert made == [read(run, "run.json")["logger_id"]] * 2
    assert_the_same(run, untouched)
