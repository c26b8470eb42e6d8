"""A rehearsed sweep that is killed goes on, as one on SageMaker would from what lies in S3."""

import os
import subprocess
import time
from pathlib import Path

from tests.support.called import call
from tests.support.processes import processes_of
from tests.support.runs import FILES, files_of, read
from tests.support.sweeps import begun, statuses

# One that ended before, one that is killed in its second epoch, one that cannot be had.
SIZES = "data.train_size=96,480,999999"


def test_what_was_killed_goes_on_and_what_had_ended_is_not_done_again(
    python: list[str], tiny: list[str], tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    ended = call("imdb_cls.train", "-m", *tiny, "data.train_size=96", f"hydra.sweep.dir={sweep}")
    assert ended.code == 0, ended.err
    finished = (sweep / "0" / "run.json").read_bytes()
    words = ["-m", *tiny, "+backend=sagemaker", "backend.rehearse=true", SIZES]
    words += ["backend.max_parallel=2", f"hydra.sweep.dir={sweep}"]
    first = subprocess.Popen(
        [*python, "-m", "imdb_cls.train", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(os.environ),
    )
    logs = ".rehearsal/*/0/algo-1/ml/checkpoints/run/train.log"
    until = time.monotonic() + 150
    while not any("step=32 " in log.read_text() for log in sweep.glob(logs)):
        assert time.monotonic() < until
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.05)
    first.kill()
    first.communicate()
    assert not (sweep / "1" / "metrics.json").exists()

    done = call("imdb_cls.train", *words)
    assert done.code == 1, done.out[-3000:] + done.err
    assert statuses(sweep) == {"0": "completed", "1": "completed", "2": "failed"}
    assert (sweep / "0" / "run.json").read_bytes() == finished
    assert (begun(sweep, "0"), begun(sweep, "1")) == (1, 2)
    assert "going on after step 30" in (sweep / "1" / "train.log").read_text()
    assert len(read(sweep / "1", "run.json")["previous_jobs"]) == 1
    assert all(files_of(sweep / n) == FILES for n in "01")
    # Nothing of it was paid for, and nothing of it is left.
    assert "cost_usd" in read(sweep / "1", "run.json")["job"]
    assert "rehearsed, so nothing was paid" in done.out
    assert processes_of(sweep) == []
    assert sorted(p.name for p in sweep.iterdir()) == [
        *(".lock", "0", "1", "2", "sweep.csv", "sweep.html", "sweep.json")
    ]
