"""How a run that is stopped is told to go on."""

import shutil
from pathlib import Path

import pytest

from imdb_cls.runs.clock import Clock
from imdb_cls.runs.run import Run
from imdb_cls.training.recording import recording


@pytest.mark.parametrize("job", [None, "imdb-cls-1"])
def test_a_stopped_run_says_how_it_goes_on_but_for_a_job_whose_path_is_its_containers(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    job: str | None,
) -> None:
    run = Run(shutil.copytree(trained, tmp_path / "run"))
    if job:
        monkeypatch.setenv("TRAINING_JOB_NAME", job)
    with pytest.raises(KeyboardInterrupt), recording(run, Clock()):
        raise KeyboardInterrupt
    how = "" if job else f": go on with python -m imdb_cls.train resume={run.path}"
    assert capsys.readouterr().out == f"stopped{how}\n"
    assert run.info().status == "stopped"
