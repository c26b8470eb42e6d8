"""A rehearsed job is the run of this machine, to the last digit, and leaves nothing else here."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from imdb_cls import evaluate, predict
from tests.conftest import once
from tests.test_train import FILES, read, rows, without_times

Command = Callable[..., "subprocess.CompletedProcess[str]"]

# 30 steps an epoch: long enough to be stopped in the middle of one.
SMALL = ("data.train_size=480",)
REHEARSED = ("+backend=sagemaker", "backend.rehearse=true")
_TIMED = ("test/runtime_s", "test/samples_per_second")
# What a user may have, and nobody else is to see; by its place.
PLANTED = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01planted",
    "HF_TOKEN": "hf_planted0000000000000000000000",
    "OUR_DATABASE": "postgres://user:planted-database@db",
    ".env": "DATABASE_PASSWORD=planted-dotenv",
    ".netrc": "machine api.wandb.ai login user password planted-netrc",
    ".aws/credentials": (
        "[default]\naws_access_key_id = AKIAPLANTEDPLANTED00\n"
        "aws_secret_access_key = planted/secret/access/key"
    ),
}
SECRETS = (
    *("0123456789abcdef0123456789abcdef01planted", "hf_planted", "planted-database"),
    *("planted-dotenv", "planted-netrc", "planted/secret/access/key"),
)


# `python -m launch.jobs`, impatient: it looks more often and gives up sooner.
IMPATIENT = """
import launch.training.attach as attaching, launch.aws.client as client
from botocore.config import Config
from launch.jobs import main
attach = attaching.attach
attaching.attach = lambda run, aws, screen, poll_seconds: attach(run, aws, screen, 0.05)
few = Config(retries={"mode": "standard", "total_max_attempts": 2})
client._CLIENT = client._CLIENT.merge(few)
main()
"""


def files_of(path: Path) -> set[str]:
    return {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()}


def values(path: Path) -> list[tuple[str, str, str, str]]:
    """metrics.csv without what depends on the clock."""
    return [
        (r["step"], r["epoch"], r["name"], r["value"])
        for r in rows(path)
        if r["name"] not in _TIMED
    ]


def plant(home: Path, here: Path) -> dict[str, str]:
    """Puts PLANTED into a home and a working directory. Returns the variables among them."""
    for name, content in PLANTED.items():
        if name.startswith("."):
            path = (here if name == ".env" else home) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
    variables = {name: text for name, text in PLANTED.items() if not name.startswith(".")}
    return {**variables, "HOME": str(home), "NETRC": str(home / ".netrc")}


def leaks(texts: dict[str, bytes]) -> list[tuple[str, str]]:
    """Which secret is where."""
    return [(w, s) for w, text in texts.items() for s in SECRETS if s.encode() in text]


def contents(path: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def outside(*directories: Path) -> dict[str, str]:
    """All that a rehearsal could change by accident: name, size and time of every file."""
    packages = {Path(sysconfig.get_paths()[kind]) for kind in ("purelib", "platlib", "scripts")}
    tops = [*packages, *directories]
    found = [path for top in tops for path in top.rglob("*") if "__pycache__" not in path.parts]
    found += [*Path("/opt").glob("*"), *Path("/opt").glob("*/*"), Path("/etc/hosts")]
    stats = {str(path): path.lstat() for path in found}
    # Python writes __pycache__ into the directories of packages.
    return {
        name: "directory" if os.path.isdir(name) else f"{s.st_size} {s.st_mtime_ns}"  # noqa: PTH112
        for name, s in stats.items()
    }


def processes_of(path: Path) -> list[str]:
    """The living processes that have this path in their environment or arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(path).encode() in text and process.name != str(os.getpid()):
            found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
    return found


@contextlib.contextmanager
def started(words: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A command with one stream of output, killed at the end or after four minutes."""
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    watchdog = threading.Timer(240, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def until(process: "subprocess.Popen[str]", part: str) -> str:
    """What a process prints up to the line with this in it."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if part in line:
            return said
    return pytest.fail(f"no line with {part!r}:\n{said[-3000:]}")


def rest_of(process: "subprocess.Popen[str]") -> str:
    """What it prints behind that, until it ends: communicate(timeout=…) would lose what Python has
    read ahead."""
    assert process.stdout is not None
    said = process.stdout.read()
    process.wait()
    return said


# Runs a module as `python -m` does, and prints at the end of the process what it has imported.
SHOWING = """
import atexit, runpy, sys
@atexit.register
def show():
    print("imported:", *{name.partition(".")[0] for name in sys.modules})
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def imported_in(said: str) -> set[str]:
    """What a process that ran SHOWING has imported."""
    return set(said.splitlines()[-1].removeprefix("imported: ").split())


def local_run(shared: Path, tiny: list[str]) -> Path:
    """What rehearsals are compared with; what it said lies beside it."""

    def make(path: Path) -> None:
        done = subprocess.run(
            [
                *(sys.executable, "-c", SHOWING, "imdb_cls.train"),
                *(*tiny, *SMALL, f"hydra.run.dir={path}/run"),
            ],
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        (path / "said").write_text(done.stdout)

    return once(shared, "local", make) / "run"


@pytest.fixture(scope="session")
def local(shared: Path, tiny: list[str]) -> Path:
    return local_run(shared, tiny)


@pytest.fixture(scope="session")
def rehearsal(shared: Path, tiny: list[str], command: Command) -> Path:
    """run/ of a rehearsal with secrets all around it, and seen.json of what became of the rest."""

    def make(path: Path) -> None:
        home, here, temporary = (path / name for name in ("home", "here", "tmp"))
        for directory in (home, here, temporary):
            directory.mkdir()
        variables = {**plant(home, here), "TMPDIR": str(temporary)}
        # Any import of it leaves a list of the machine's fonts in the home.
        variables["MPLCONFIGDIR"] = str(shared)
        before = outside(home, here, temporary)
        done = command(
            *("train", *tiny, *SMALL, *REHEARSED, f"hydra.run.dir={path}/run"),
            cwd=here,
            **variables,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        after = outside(home, here, temporary)
        seen = {
            "changed": sorted(dict(before.items() ^ after.items())),
            "processes": processes_of(temporary),
            "said": done.stdout,
            "errors": done.stderr,
        }
        (path / "seen.json").write_text(json.dumps(seen))

    return once(shared, "rehearsal", make)


def test_a_rehearsal_gives_what_a_local_run_gives(local: Path, rehearsal: Path) -> None:
    run = rehearsal / "run"
    assert without_times(read(run, "metrics.json")) == without_times(read(local, "metrics.json"))
    assert values(run) == values(local)
    assert pq.read_table(run / "predictions.parquet").equals(
        pq.read_table(local / "predictions.parquet")
    )
    weights = "model/model.safetensors"
    assert (run / weights).read_bytes() == (local / weights).read_bytes()


def test_it_leaves_the_files_of_a_local_run(local: Path, rehearsal: Path) -> None:
    assert files_of(rehearsal / "run") == files_of(local) == FILES


def test_its_record_is_that_of_the_local_run_and_its_jobs(local: Path, rehearsal: Path) -> None:
    ours, theirs = read(rehearsal / "run", "run.json"), read(local, "run.json")
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


def test_its_config_is_that_of_the_local_run(local: Path, rehearsal: Path) -> None:
    ours, theirs = ((p / "config.yaml").read_text() for p in (rehearsal / "run", local))
    assert "/opt/ml" not in ours
    models = [line for line in ours.splitlines() if line not in theirs.splitlines()]
    # Each worker has a copy of the tiny model.
    assert all(line.startswith("    name: ") for line in models), models
    assert len(ours.splitlines()) == len(theirs.splitlines())


def test_predict_and_evaluate_read_it_as_a_local_run(
    local: Path,
    rehearsal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    said = []
    for run in (rehearsal / "run", local):
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
