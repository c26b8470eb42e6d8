"""A sweep's directory: its trials are known by what they are, not by where they lie."""

import json
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs.sweep import Sweep, begun, identity


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    made = Sweep(tmp_path / "2026-11-24" / "15-04-11")
    made.record(identity="abc", status="running")
    return made


def run_in(sweep: Sweep, name: str, **info: object) -> Path:
    path = sweep.path / name
    path.mkdir()
    (path / "run.json").write_text(json.dumps({"status": "completed", "overrides": [], **info}))
    return path


def test_a_trial_is_found_by_its_fingerprint_whatever_its_name(sweep: Sweep) -> None:
    path = run_in(sweep, "by hand", fingerprint="f1")
    found = sweep.find("f1")
    assert found is not None
    assert (found.path, sweep.find("f2")) == (path, None)


def test_of_two_attempts_the_one_that_completed_counts(sweep: Sweep) -> None:
    run_in(sweep, "0", fingerprint="f1", status="stopped")
    whole = run_in(sweep, "1", fingerprint="f1")
    run_in(sweep, "2", fingerprint="f1", status="failed")
    assert getattr(sweep.find("f1"), "path", None) == whole


def test_a_rehearsed_trial_is_no_result_for_a_real_job(sweep: Sweep) -> None:
    run_in(sweep, "0", fingerprint="f1", rehearsal=True)
    assert sweep.find("f1", rehearsed=False) is None
    assert sweep.find("f1") is not None


def test_a_new_trial_takes_the_next_free_number_and_never_anothers_place(sweep: Sweep) -> None:
    assert sweep.place(sweep.path / "0", []) == sweep.path / "0"
    run_in(sweep, "1", fingerprint="f1")
    (sweep.path / "0" / "notes.txt").touch()
    assert sweep.place(sweep.path / "1", []) == sweep.path / "2"
    assert (sweep.path / "1" / "run.json").is_file()


def test_what_died_at_its_birth_makes_room(sweep: Sweep) -> None:
    (sweep.path / "0").mkdir()
    (sweep.path / "0" / "config.yaml").touch()
    (sweep.path / "0" / ".run.json.123").touch()
    assert sweep.place(sweep.path / "0", []) == sweep.path / "0"
    assert list((sweep.path / "0").iterdir()) == []


def test_a_trial_that_failed_before_it_began_is_tried_again_in_its_place(sweep: Sweep) -> None:
    failed = {"status": "failed", "fingerprint": None}
    run_in(sweep, "0", **failed, overrides=["seed=1", "+backend=sagemaker"])
    run_in(sweep, "1", **failed, overrides=["seed=2"])
    assert sweep.place(sweep.path / "0", ["seed=1"]) == sweep.path / "0"
    assert list((sweep.path / "0").iterdir()) == []
    assert (sweep.path / "1" / "run.json").is_file()


def test_half_written_and_hidden_directories_are_no_trials(sweep: Sweep) -> None:
    (sweep.path / "0").mkdir()
    (sweep.path / "0" / "run.json").write_text("{")
    run_in(sweep, ".rehearsal", fingerprint="f1")
    assert list(sweep.runs()) == []


def test_the_same_sweep_is_found_again_and_the_latest_of_several(sweep: Sweep) -> None:
    day = sweep.path.parents[1] / "2026-11-25"
    newer, other = Sweep(day / "09-00-00"), Sweep(day / "10-00-00")
    newer.record(identity="abc")
    other.record(identity="xyz")
    default = day / "11-00-00"
    assert getattr(begun(default, "abc"), "path", None) == newer.path
    assert begun(default, "nothing") is None


def test_a_sweep_is_the_same_in_any_order_and_with_any_backend_knob() -> None:
    def mark(*words: str, where: str = "local", settings: object = None) -> str:
        return identity(list(words), where, settings)

    assert mark("seed=1,2", "a=1") == mark("a=1", "seed=1,2")
    assert mark("seed=1,2", "backend.max_parallel=2") == mark("seed=1,2")
    assert mark("seed=1,2", "sweep.fresh=true") == mark("seed=1,2")
    assert mark("seed=1,2") != mark("seed=1,2,3")
    assert mark("seed=1,2") != mark("seed=1,2", where="sagemaker")
    assert mark("seed=1,2") != mark("seed=1,2", settings=[40])


def test_two_processes_do_not_work_on_one_sweep(sweep: Sweep) -> None:
    with (
        sweep.locked(),
        pytest.raises(UserError, match="still running in another process"),
        Sweep(sweep.path).locked(),
    ):
        pass


def test_a_sweep_that_makes_room_loses_nothing(sweep: Sweep) -> None:
    first, second = sweep.set_aside(), None
    sweep.record(identity="def")
    second = sweep.set_aside()
    assert [p.name for p in (first, second)] == ["15-04-11-1", "15-04-11-2"]
    assert json.loads((first / "sweep.json").read_text())["identity"] == "abc"
    assert not sweep.path.exists()
