"""Rehearsals of an interrupted job, of one without a network, of several hosts, of any user."""

import contextlib
import importlib.util
import io
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import imdb_cls.train
from imdb_cls.errors import UserError
from launch.rehearsal.container import namespaces
from launch.training import code as inputs
from launch.training import wheels
from tests.support.once import once
from tests.support.rehearsed import REHEARSED, SMALL
from tests.support.runs import FILES, Train, files_of, metrics_of, read, values

NOBODY = 65534
# As root: gives $work the place /mnt, and the Python below $base a place that an ordinary user can
# read, for this process alone; then becomes that user.
_AS_NOBODY = f"""
set -e
base=$1 closed=$2 work=$3
shift 3
if [ -n "$closed" ]; then
  mount --bind "$base" /mnt
  mount -t tmpfs -o mode=755 tmpfs "$closed"
  mkdir -p "$base"
  mount --bind /mnt "$base"
  umount /mnt
fi
mount --bind "$work" /mnt
cd /mnt
exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "$@"
"""
_PROBE = """
import importlib.util, subprocess
assert importlib.util.find_spec("torch") and importlib.util.find_spec("imdb_cls.train")
subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=True)
"""


# Wheels of 1 MB instead of 120, and one that nobody has: it must come from the channel.
FEW = "torch\ntransformers\nantlr4-python3-runtime==4.9.3\ninflection==0.5.1\n"


@pytest.fixture(scope="session")
def interrupted(shared: Path, tiny: list[str], cache: Path) -> Path:
    """run/ of a spot job without a network, in this process; seen.json has what it said, what main
    returned, and why it had a network after all, if it had."""

    def make(path: Path) -> None:
        seen: dict[str, object] = {"skip": None}
        task, said = imdb_cls.train.task, io.StringIO()
        (path / "few.txt").write_text(FEW)
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
            try:
                for module in (wheels, inputs):
                    patch.setattr(module, "REQUIREMENTS", path / "few.txt")
                wheels.collect("3.11", cache)
            except UserError as error:
                seen["skip"] = str(error)
                patch.undo()
            words = [
                *("train.py", *tiny, *SMALL, *REHEARSED, f"hydra.run.dir={path}/run"),
                *("backend.spot=true", "backend.interrupt_at_step=10", "backend.max_seconds=200"),
                f"backend.network_isolation={str(not seen['skip']).lower()}",
            ]
            patch.setattr(sys, "argv", words)
            patch.setenv("HYDRA_FULL_ERROR", "1")
            patch.setattr(imdb_cls.train, "task", lambda config: seen.update(returned=task(config)))
            try:
                imdb_cls.train.main()
            except SystemExit as end:
                pytest.fail(f"{end}: {said.getvalue()[-3000:]}")
        (path / "seen.json").write_text(json.dumps({**seen, "said": said.getvalue()}))

    return once(shared, "interrupted", make)


def test_an_interrupted_spot_job_ends_as_one_that_was_not(
    local_run: Path, interrupted: Path
) -> None:
    said, run = read(interrupted, "seen.json")["said"], interrupted / "run"
    (resumed,) = [line for line in said.splitlines() if line.startswith("going on after step ")]
    assert 10 <= int(resumed.split()[-1]) < 30
    assert said.index("stopped: go on with") < said.index(resumed)
    assert metrics_of(run) == metrics_of(local_run)
    # No step twice, none left out.
    assert values(run) == values(local_run)
    assert files_of(run) == FILES


def test_its_record_is_whole(local_run: Path, interrupted: Path) -> None:
    record = read(interrupted / "run", "run.json")
    assert (record["status"], record["reason"], record["job"]["spot"]) == ("completed", None, True)
    assert record["fingerprint"] == read(local_run, "run.json")["fingerprint"]
    assert record["job"]["seconds_billed"] >= record["seconds"]


def test_main_returns_what_a_local_run_returns(local_run: Path, interrupted: Path) -> None:
    assert (
        read(interrupted, "seen.json")["returned"]
        == read(local_run, "metrics.json")["val"]["accuracy"]
    )


def test_a_job_without_a_network_installs_from_its_wheels(interrupted: Path) -> None:
    seen = read(interrupted, "seen.json")
    if seen["skip"]:
        pytest.skip(seen["skip"])
    assert "\nSM_CHANNEL_WHEELS=" in seen["said"]
    assert "AWS_ENDPOINT_URL" not in seen["said"]
    assert read(interrupted / "run", "run.json")["status"] == "completed"
    # Into an environment of its own.
    assert importlib.util.find_spec("inflection") is None


def test_a_container_without_a_network_has_none() -> None:
    def addresses(isolated: bool) -> str:
        words = [*namespaces(isolated), "cat", "/proc/net/fib_trie"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    assert "127.0.0.1" in addresses(False)
    assert "127.0.0.1" not in addresses(True)


def as_nobody(work: Path) -> list[str] | None:
    """What to put before a command to run it as an ordinary user in /mnt, which is `work`; None if
    such a user cannot read this Python, or may not have namespaces."""
    base = Path(sys.base_prefix)
    closed = next((p for p in reversed([base, *base.parents]) if not p.stat().st_mode & 1), "")
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _AS_NOBODY, "sh"]
    words += [str(base), str(closed), str(work)]
    tried = subprocess.run([*words, sys.executable, "-c", _PROBE], capture_output=True)
    return None if tried.returncode else words


@pytest.fixture(scope="session")
def hosts(shared: Path, tiny: list[str], tiny_model: Path) -> Path:
    """run/ of a job on two hosts, as an ordinary user wherever that can be had."""

    def make(path: Path) -> None:
        for name in ("home", "tmp"):
            (path / name).mkdir()
        shutil.copytree(tiny_model, path / "model")
        begin, place = [], path
        if os.geteuid() == 0 and (found := as_nobody(path)):
            begin, place = found, Path("/mnt")
            for file in (path, *path.rglob("*")):
                os.chown(file, NOBODY, NOBODY)
        words = [o for o in tiny if not o.startswith("model.pretrained.name")]
        done = subprocess.run(
            [
                *(*begin, sys.executable, "-m", "imdb_cls.train", *words, *SAME, *REHEARSED),
                *("backend.instance_count=2", "backend.max_seconds=200"),
                *(f"hydra.run.dir={place}/run", f"model.pretrained.name={place}/model"),
            ],
            capture_output=True,
            text=True,
            cwd=path,
            env={
                **os.environ,
                **{"HOME": f"{place}/home", "TMPDIR": f"{place}/tmp"},
                "IMDB_CLS_CACHE": f"{place}/cache",
            },
            timeout=240,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        (path / "said").write_text(done.stdout)

    return once(shared, "hosts", make)


# But for dropout, which each rank draws itself. 97 and 41 do not divide by two.
SAME = (
    *("model.dropout=0", "model.classifier_dropout=0"),
    *("data.train_size=97", "data.val_size=41"),
)


def test_two_hosts_train_what_one_machine_does(hosts: Path, train_here: Train) -> None:
    said = (hosts / "said").read_text()
    assert "[algo-1] step=1 " in said
    assert "[algo-2] Starting training script" in said
    ours, theirs = values(hosts / "run"), values(train_here(*SAME))
    assert [row[:3] for row in ours] == [row[:3] for row in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert math.isclose(float(a[3]), float(b[3]), rel_tol=1e-4), (a, b)
    assert files_of(hosts / "run") == FILES
    assert read(hosts / "run", "run.json")["job"]["instance_count"] == 2


def test_an_ordinary_user_rehearses_too(hosts: Path) -> None:
    owner = (hosts / "run" / "run.json").stat().st_uid
    if owner == 0:
        pytest.skip("an ordinary user cannot read this Python, or may not have namespaces")
    assert read(hosts / "run", "run.json")["status"] == "completed"
    assert {p.stat().st_uid for p in (hosts / "run").rglob("*")} == {owner}
    assert list((hosts / "tmp").iterdir()) == []
