"""Trials side by side on this machine: each has its share, and the terminal is the table's."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from imdb_cls.sweeps import worker as sharing
from tests.support.runs import FILES, files_of
from tests.support.sweeps import begun, statuses

# joblib starts its processes with sys.executable.
TRAIN = """
import runpy, sys
sys.executable = sys.argv.pop(1)
runpy.run_module("imdb_cls.train", run_name="__main__", alter_sys=True)
"""


def test_joblib_trains_them_in_processes_of_their_own(
    python: list[str], tiny: list[str], tmp_path: Path
) -> None:
    sweep, executable = tmp_path / "sweep", tmp_path / "python"
    executable.write_text(f'#!/bin/sh\nexec {shlex.join(python)} "$@"\n')
    executable.chmod(0o755)
    words = [*tiny, "seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    done = subprocess.run(
        [*python, "-c", TRAIN, executable, "-m", *words, f"hydra.sweep.dir={sweep}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert statuses(sweep) == {"0": "completed", "1": "completed"}
    assert all(files_of(sweep / n) == FILES for n in "01")
    assert [begun(sweep, n) for n in "01"] == [1, 1]
    # What they say is in train.log; on the screen are what changes and the leaderboard.
    assert "step=" not in done.stdout
    assert "trial 1 (seed=2): completed, val/accuracy" in done.stdout
    # Two of two cores, one each.
    lines = [(sweep / n / "train.log").read_text().splitlines() for n in "01"]
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    assert all(any(f"{share} threads" in line for line in log) for log in lines)


TAKES = """
import os, sys
from pathlib import Path
from imdb_cls.sweeps.worker import worker
worker._take_place(Path(sys.argv[1]), 3)
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


def test_each_process_has_a_gpu_of_its_own_and_gives_it_back(
    tmp_path: Path,
) -> None:
    def take() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", TAKES, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "4,5,7"},
        )

    def taken(process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    three = [take() for _ in range(3)]
    assert sorted(map(taken, three)) == ["4", "5", "7"]
    three[0].communicate("")
    again = take()
    assert taken(again) in ("4", "5", "7")
    for process in (*three[1:], again):
        process.communicate("")


@pytest.mark.parametrize(("gpus", "cores", "count"), [("0,1,2", 8, 3), ("", 32, 8), ("", 2, 2)])
def test_as_many_at_once_as_the_machine_is_made_for(
    monkeypatch: pytest.MonkeyPatch, gpus: str, cores: int, count: int
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.setattr(sharing.joblib, "cpu_count", lambda: cores)
    assert sharing.trials_at_once() == count
