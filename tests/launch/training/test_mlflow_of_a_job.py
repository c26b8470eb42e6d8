"""A job's MLflow is a server that it can reach, and is installed in it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from imdb_cls.errors import UserError
from launch.training import code
from launch.training.overrides import job_overrides
from launch.training.tracking import choose_mlflow
from tests.support.local_aws import REGION, parsed

URI = "https://mlflow.example.org"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACKING_URI", "EXPERIMENT_NAME"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)


@pytest.mark.parametrize("uri", [None, "sqlite:///mlflow.db", "file:mlruns", "databricks"])
def test_a_file_of_the_container_is_refused(uri: str | None) -> None:
    given = [f"logger.mlflow.tracking_uri={uri}"] if uri else []
    with pytest.raises(UserError, match="a job needs a server's address or an ARN"):
        choose_mlflow(parsed("logger=mlflow", *given))


def test_without_a_network_there_is_none() -> None:
    config = parsed(
        *("logger=mlflow", f"logger.mlflow.tracking_uri={URI}", "backend.network_isolation=true")
    )
    with pytest.raises(UserError, match="reaches no MLflow"):
        choose_mlflow(config)


def test_the_job_is_told_what_the_variables_say_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "our films")
    config = parsed("logger=mlflow")
    assert choose_mlflow(config) == [f"MLflow: {URI}"]
    resolved = SimpleNamespace(config=config, pretrained=SimpleNamespace(path=Path("x")))
    found = job_overrides(["logger=mlflow"], resolved, set(), 1, REGION)  # type: ignore[arg-type]
    assert f"logger.mlflow.tracking_uri='{URI}'" in found
    assert "logger.mlflow.experiment='our films'" in found


def test_a_password_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org")
    with pytest.raises(UserError, match="must not have a name or a password") as refused:
        choose_mlflow(parsed("logger=mlflow"))
    assert "secret" not in str(refused.value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(UserError, match="must not have a name or a password") as refused:
        parsed("logger=mlflow", "logger.mlflow.tracking_uri=postgresql://me:secret@db/x")
    assert "secret" not in str(refused.value)


def test_its_packages_are_installed_beside_the_others(tmp_path: Path) -> None:
    backend = parsed().backend
    assert backend is not None
    staged = code.stage(code.code(mlflow=True), tmp_path / "code", backend)
    lines = (staged / "requirements.txt").read_text().splitlines()
    assert "-r requirements-base.txt" in lines
    assert [line.split("==")[0] for line in lines[2:]] == ["mlflow-skinny", "sagemaker-mlflow"]
    assert (staged / "requirements-base.txt").read_text() == code.REQUIREMENTS.read_text()
