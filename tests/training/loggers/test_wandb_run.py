"""Whatever wandb's server does, a run goes on, says so once, and keeps its values."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from imdb_cls.config import WandbConfig
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from imdb_cls.training.loggers import wandb_key, wandb_run
from tests.support.runs import Train
from tests.support.wandb_server import Fault, WandbServer, serving

KEY = "0123456789abcdef0123456789abcdef01234567"
METRICS = {"train/loss": 0.125, "val/accuracy": 0.75}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An account of wandb's, where nothing is waited for; its files are here."""
    for name in list(os.environ):
        if name.startswith("WANDB_") and name != "WANDB_ERROR_REPORTING":
            monkeypatch.delenv(name)
    for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path / "wandb-home"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "1")
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "1")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "wandb-home" / "wandb"
    wandb.teardown()  # it would keep these variables


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server


def logged(trained: Path, settings: WandbConfig | None = None) -> "wandb.Run":
    """A run of wandb's that begins, gets some values and ends."""
    run = Run(trained)
    logger = wandb_run.start(settings or WandbConfig(), run.config(), run, "abc123")
    logger.log_metrics(METRICS, 3)
    wandb_run.finish(True)
    return logger.run


def kept(place: Path) -> list[str]:
    """The kinds of runs that have our values on disk."""
    files = [file for file in place.glob("*run-*/*.wandb") if b"val/accuracy" in file.read_bytes()]
    return [file.parent.name.partition("-2")[0] for file in files]


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr()
    assert said.err == ""
    return said.out.splitlines()


def test_a_server_that_answers_gets_the_values(
    server: WandbServer, trained: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logged(trained)
    assert b"val/accuracy" in b"".join(server.streamed)
    assert kept(place) == ["run"]
    assert warnings(capsys) == []


FAULTS: list[Fault] = [401, 403, 404, 500, "close", "hang"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", ["RunResumeStatus", "UpsertBucket"])
def test_one_that_does_not_take_a_run_has_it_go_on_offline(
    server: WandbServer,
    trained: Path,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    at: str,
    fault: Fault,
) -> None:
    server.faults[at] = fault
    run = logged(trained)
    assert kept(place) == ["offline-run"]
    assert [path.name for path in place.glob("run-*")] == []
    (line,) = warnings(capsys)
    assert line.startswith("WARNING wandb: ")
    assert line.endswith(
        f": training goes on; its values are kept: wandb sync {run.settings.sync_dir}"
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_fails_later_leaves_the_values_here(
    server: WandbServer,
    trained: Path,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    fault: Fault,
) -> None:
    server.faults["file_stream"] = fault
    run = logged(trained)
    assert kept(place) == ["run"]
    (line,) = warnings(capsys)
    assert line.endswith(f"wandb sync {run.settings.sync_dir}")


def test_what_was_kept_is_there_after_wandb_sync(
    server: WandbServer, trained: Path, place: Path
) -> None:
    server.faults["RunResumeStatus"] = 500
    run = logged(trained)
    server.faults.clear()
    assert server.streamed == []
    words = [sys.executable, "-m", "wandb", "sync", run.settings.sync_dir]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert b"val/accuracy" in b"".join(server.streamed)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("WANDB_BASE_URL", "http://127.0.0.1:9", "wandb"),
        ("WANDB_API_KEY", "short", "API key must have 40+ characters"),
    ],
    ids=["no server", "no key"],
)
def test_where_nobody_takes_it_the_run_goes_on_offline(
    trained: Path,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setenv(variable, value)
    logged(trained)
    assert kept(place) == ["offline-run"]
    (line,) = warnings(capsys)
    assert said in line


def test_the_end_of_wandbs_own_process_is_not_the_end_of_a_run(
    server: WandbServer, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(trained)
    logger = wandb_run.start(WandbConfig(), run.config(), run, "abc123")
    cores = [
        int(child)
        for path in Path("/proc/self/task").glob("*/children")
        for child in path.read_text().split()
        if "wandb-core" in Path(f"/proc/{child}/comm").read_text()
    ]
    assert cores
    for core in cores:
        os.kill(core, signal.SIGKILL)
    for step in range(3):
        logger.log_metrics(METRICS, step)
    wandb_run.finish(True)
    (line,) = warnings(capsys)
    assert "training goes on; its values are kept: wandb sync" in line


def test_a_run_is_completed_whatever_its_server_does(
    server: WandbServer, place: Path, train_here: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults["file_stream"] = "hang"
    run = Run(train_here("logger=wandb"))
    assert run.info().status == "completed"
    assert kept(place) == ["run"]
    told = [line for line in capsys.readouterr().out.splitlines() if "wandb" in line]
    assert len(told) == 1
    assert told[0].removeprefix("WARNING ") in run.log_file.read_text()


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, "online"),
        ({"WANDB_MODE": "online"}, "online"),
        ({"WANDB_MODE": "run"}, "online"),
        ({"WANDB_MODE": "offline"}, "offline"),
        ({"WANDB_MODE": "dryrun"}, "offline"),
        ({"WANDB_MODE": "disabled"}, "disabled"),
        ({"WANDB_DISABLED": "true"}, "disabled"),
        ({"WANDB_DISABLED": "True", "WANDB_MODE": "online"}, "disabled"),
        ({"WANDB_DISABLED": "1"}, "disabled"),
        ({"WANDB_DISABLED": "false"}, "online"),
        ({"WANDB_DISABLED": ""}, "online"),
    ],
    ids=str,
)
def test_the_mode_is_that_of_wandbs_variables(
    variables: dict[str, str], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wandb_key.mode(WandbConfig()) == mode
    assert wandb_key.mode(WandbConfig(mode="offline")) == "offline"
    monkeypatch.delenv("WANDB_API_KEY")
    asked = "offline" if mode == "online" and "WANDB_MODE" not in variables else mode
    assert wandb_key.mode(WandbConfig()) == asked


def test_a_mode_that_wandb_does_not_have_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "of")
    with pytest.raises(UserError, match="WANDB_MODE=of: allowed are online, offline, disabled, "):
        wandb_key.mode(WandbConfig())


@pytest.mark.parametrize("variable", ["WANDB_MODE=disabled", "WANDB_DISABLED=true"])
def test_disabled_it_writes_nothing(
    variable: str, train_here: Train, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*variable.split("="))
    assert Run(train_here("logger=wandb", "trainer.max_epochs=1")).info().status == "completed"
    assert not place.exists()


def test_project_and_the_rest_are_those_of_wandbs_variables(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings(**given: object) -> tuple[str | None, ...]:
        found = logged(trained, WandbConfig(mode="offline", **given)).settings  # type: ignore[arg-type]
        return found.project, found.entity, found.run_name, found.run_group

    name = Run(trained).name
    assert settings() == ("imdb_cls", None, name, None)
    wandb.teardown()
    for variable in ("PROJECT", "ENTITY", "NAME", "RUN_GROUP"):
        monkeypatch.setenv(f"WANDB_{variable}", f"our-{variable}".lower())
    assert settings() == ("our-project", "our-entity", "our-name", "our-run_group")
    # What the config says counts more, as an argument does.
    ours = ("p", "e", "n", "g")
    assert settings(project="p", entity="e", name="n", group="g") == ours


def test_what_wandb_cannot_use_is_one_line(server: WandbServer, trained: Path) -> None:
    with pytest.raises(UserError, match=r"wandb cannot start: .*project") as error:
        logged(trained, WandbConfig(project="a/b"))
    assert len(str(error.value).splitlines()) == 1
