"""A container's results and the cause of its failure lie where SageMaker looks for them."""

import errno
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from imdb_cls import container
from imdb_cls.errors import UserError
from imdb_cls.training.checkpoints import Stopped
from tests.support.runs import files_of


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """/opt/ml with a run directory and what may lie beside it."""
    for name in (
        *("run/config.yaml", "run/run.json", "run/metrics.csv", "run/train.log"),
        *("run/.metrics.json.17", "run/.model.17/config.json"),
        *("run/model/config.json", "run/model/model.safetensors"),
        *("run/checkpoints/best.ckpt", "run/checkpoints/last.ckpt"),
        *("wandb/offline-run-1/run-1.wandb", "wandb/.hidden", "tensorboard/run/1/events"),
    ):
        path = tmp_path / "checkpoints" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "checkpoints/wandb/latest-run").symlink_to("offline-run-1")
    (tmp_path / "checkpoints/run/passwords").symlink_to("/etc/passwd")
    return tmp_path


def ends(root: Path, error: BaseException | None = None) -> str | None:
    """Runs to its end, or to this error. Returns what SageMaker is told of a failure."""
    run = root / "checkpoints" / "run"
    if error is None:
        with container.results(root, run):
            pass
    else:
        with pytest.raises(type(error)), container.results(root, run):
            raise error
    failure = root / "output" / "failure"
    return failure.read_text(encoding="utf-8") if failure.is_file() else None


MODEL = {"config.json", "model.safetensors"}
DATA = {
    *("run/config.yaml", "run/run.json", "run/metrics.csv", "run/train.log"),
    *("wandb/offline-run-1/run-1.wandb", "tensorboard/run/1/events"),
}


def test_the_model_and_the_other_files_are_published_once(root: Path) -> None:
    assert ends(root) is None
    assert files_of(root / "model") == MODEL
    # Neither checkpoints, which SageMaker copies itself, nor what was half-written.
    assert files_of(root / "output" / "data") == DATA
    assert (root / "output/data/run/metrics.csv").read_text() == "run/metrics.csv"


@pytest.mark.parametrize(
    "error", [UserError("x"), ValueError("x"), KeyboardInterrupt(), SystemExit(1), Stopped(15)]
)
def test_a_run_that_breaks_off_publishes_what_it_has(root: Path, error: BaseException) -> None:
    ends(root, error)
    assert files_of(root / "model") == MODEL
    assert files_of(root / "output" / "data") == DATA


def test_without_a_model_none_is_published(tmp_path: Path) -> None:
    (tmp_path / "checkpoints/run").mkdir(parents=True)
    assert ends(tmp_path, UserError("x")) == "x"
    assert not (tmp_path / "model").exists()


def test_a_run_that_never_made_its_directory_can_fail_too(tmp_path: Path) -> None:
    assert ends(tmp_path, UserError("no such reviews")) == "no such reviews"


def test_what_an_earlier_attempt_published_is_published_anew(root: Path) -> None:
    ends(root, Stopped(15))
    (root / "checkpoints/run/metrics.csv").write_text("more")
    ends(root)
    assert (root / "output/data/run/metrics.csv").read_text() == "more"


def test_the_cause_is_the_users_line(root: Path) -> None:
    line = "data.train_size=9 asks for more reviews than there are"
    assert ends(root, UserError(line)) == line


def test_a_cause_behind_another_error_is_found(root: Path) -> None:
    wrapped = RuntimeError("a library's wrapping")
    wrapped.__cause__ = UserError("the very cause")
    assert ends(root, wrapped) == "the very cause"


def test_a_full_disk_is_said_in_words(root: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/opt/ml/checkpoints/x")
    said = ends(root, error)
    assert said is not None
    assert said.startswith("cannot write /opt/ml/checkpoints/x: No space left on device")


def test_a_bug_says_what_and_where(root: Path) -> None:
    said = ends(root, ZeroDivisionError("float division by zero"))
    assert said is not None
    first, *rest = said.splitlines()
    assert first == "ZeroDivisionError: float division by zero"
    assert any("test_container.py" in line for line in rest)


@pytest.mark.parametrize("kind", [UserError, ValueError])
def test_the_cause_is_in_what_sagemaker_reads_however_long_it_is(
    root: Path, kind: type[Exception]
) -> None:
    said = ends(root, kind("begin\n" + "é" * 5000))
    assert said is not None
    assert "begin é" in said[:1024]
    assert len(said.splitlines()[0]) < 1100
    assert len(said) <= 4096


@pytest.mark.parametrize("error", [SystemExit(143), Stopped(15), KeyboardInterrupt()])
def test_a_run_that_was_stopped_did_not_fail(root: Path, error: BaseException) -> None:
    assert ends(root, error) is None


@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK"])
def test_only_the_first_of_all_processes_publishes(
    root: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    assert ends(root) is None
    assert not (root / "model").exists()
    assert not (root / "output").exists()
    monkeypatch.setenv(variable, "0")
    ends(root)
    assert files_of(root / "model") == MODEL


def test_any_process_may_say_why_it_failed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert ends(root, UserError("out of memory on the second GPU")) is not None


def test_the_first_cause_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process meets after that is a lost connection to the one that failed."""
    monkeypatch.setenv("RANK", "1")
    ends(root, UserError("the cause"))
    monkeypatch.setenv("RANK", "0")
    assert ends(root, RuntimeError("Connection closed by peer")) == "the cause"


# The GPU that is paid for


def instance(root: Path, kind: str) -> None:
    path = root / "input/config/resourceconfig.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"current_instance_type": kind, "hosts": ["algo-1"]}))


def torch_with(monkeypatch: pytest.MonkeyPatch, cuda: str | None, sees_gpu: bool) -> None:
    fake = SimpleNamespace(
        __version__="2.9.0",
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(is_available=lambda: sees_gpu),
    )
    monkeypatch.setitem(sys.modules, "torch", fake)


@pytest.mark.parametrize("kind", ["ml.p3.2xlarge", "ml.g5.xlarge"])
def test_a_gpu_that_torch_does_not_see_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    instance(tmp_path, kind)
    torch_with(monkeypatch, cuda="13.0", sees_gpu=False)
    with pytest.raises(UserError, match=f"{kind} has a GPU, but torch 2.9.0 does not see it"):
        container.check_gpu(tmp_path)


@pytest.mark.parametrize(
    ("kind", "cuda", "sees_gpu"),
    [
        ("ml.p3.2xlarge", "12.4", True),
        ("ml.m5.xlarge", "12.4", False),
        ("ml.p3.2xlarge", None, False),  # a rehearsal's torch has no CUDA at all
    ],
)
def test_what_is_as_it_should_be_is_let_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, cuda: str | None, sees_gpu: bool
) -> None:
    instance(tmp_path, kind)
    torch_with(monkeypatch, cuda, sees_gpu)
    container.check_gpu(tmp_path)


def test_outside_of_sagemaker_no_gpu_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_with(monkeypatch, cuda="12.4", sees_gpu=False)
    container.check_gpu(tmp_path)


def test_a_job_knows_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINING_JOB_NAME", raising=False)
    assert container.job_name() is None
    monkeypatch.setenv("TRAINING_JOB_NAME", "job-1")
    assert container.job_name() == "job-1"
