"""A job is sent what it needs, once, and nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest

from imdb_cls.config import CONF_DIR, BackendConfig
from imdb_cls.errors import UserError
from launch.aws.store import of_directory
from launch.training import code as inputs
from tests.support.files import write_texts
from tests.support.local_aws import parsed

ROOT = CONF_DIR.parent


PLANTED = {
    ".env": "WANDB_API_KEY=secret",
    ".netrc": "machine api.wandb.ai login user password secret",
    "credentials.json": '{"aws_secret_access_key": "secret"}',
    "imdb_cls/.env": "SECRET=1",
    "imdb_cls/credentials.json": "{}",
    "imdb_cls/untracked.py": "x = 1",
    "imdb_cls/data/__pycache__/sources.cpython-312.pyc": "x",
    "conf/data/untracked.yaml": "a: 1",
    "conf/.netrc": "machine",
    "outputs/2026-01-01/00-00-00/config.yaml": "a: 1",
    "tests/test_secret.py": "x = 1",
    "setup.py": "x = 1",
}
TRACKED = {
    "imdb_cls/__init__.py": "",
    "imdb_cls/train.py": "x = 1",
    "imdb_cls/data/sources.py": "x = 2",
    "imdb_cls/data/über.py": "x = 3",
    "imdb_cls/py.typed": "",
    "imdb_cls/key.pem": "secret",
    "conf/train.yaml": "a: 1",
    "conf/data/imdb.yaml": "a: 2",
    "README.md": "text",
    "launch/plan.py": "x = 4",
}
SENT = {
    *("imdb_cls/__init__.py", "imdb_cls/train.py", "imdb_cls/data/sources.py"),
    *("imdb_cls/data/über.py", "conf/train.yaml", "conf/data/imdb.yaml", "requirements.txt"),
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of a project like this one, with secrets lying about in it."""
    root = write_texts(tmp_path / "checkout", TRACKED)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    write_texts(root, PLANTED)
    monkeypatch.setattr(inputs, "_ROOT", root)
    monkeypatch.setattr(inputs, "_PACKAGE", root / "imdb_cls")
    monkeypatch.setattr(inputs, "CONF_DIR", root / "conf")
    return root


def test_the_code_is_what_git_tracks_of_the_package_and_conf(checkout: Path) -> None:
    code = inputs.code()
    assert set(code.files) == SENT
    for name in SENT - {"requirements.txt"}:
        assert code.files[name] == checkout / name
    assert code.files["requirements.txt"] == inputs.REQUIREMENTS


def test_a_secret_that_git_tracks_is_not_sent_either(checkout: Path) -> None:
    write_texts(checkout, {"imdb_cls/.env": "SECRET=1", "conf/credentials.json": "{}"})
    subprocess.run(["git", "-C", str(checkout), "add", "-f", "imdb_cls", "conf"], check=True)
    assert not {name for name in inputs.code().files if ".env" in name or ".json" in name}


def test_a_tracked_file_that_is_gone_is_left_out(checkout: Path) -> None:
    (checkout / "imdb_cls/data/sources.py").unlink()
    assert set(inputs.code().files) == SENT - {"imdb_cls/data/sources.py"}


def test_files_that_are_not_sent_are_named(checkout: Path) -> None:
    assert inputs.untracked() == ["conf/data/untracked.yaml", "imdb_cls/untracked.py"]


def test_a_module_that_the_job_would_not_have_is_refused(checkout: Path) -> None:
    inputs.check_chosen({"data": "imdb"})  # nobody imports it
    train = checkout / "imdb_cls" / "train.py"
    train.write_text("from imdb_cls.untracked import x\n" + train.read_text())
    with pytest.raises(UserError, match=r"imdb_cls/untracked\.py is not tracked by git"):
        inputs.check_chosen({"data": "imdb"})


def test_a_config_that_the_job_would_not_have_is_refused(checkout: Path) -> None:
    inputs.check_chosen({"data": "imdb", "model": "distilbert"})
    with pytest.raises(UserError) as error:
        inputs.check_chosen({"model": "distilbert", "data": "untracked"})
    assert "conf/data/untracked.yaml is not tracked by git" in str(error.value)
    assert "git add conf/data/untracked.yaml" in str(error.value)
    with pytest.raises(UserError, match=r"conf/data/untracked\.yaml is not tracked"):
        inputs.check_chosen({"data": "[imdb,untracked]"})


@pytest.mark.parametrize("how", ["no repository", "no git", "somebody else's repository"])
def test_an_installed_copy_sends_the_package_and_conf(
    checkout: Path, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.rmtree(checkout / ".git")
    if how == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    if how == "somebody else's repository":
        subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    # What an installed package has: no more than was in it.
    for name in PLANTED:
        (checkout / name).unlink()
    assert set(inputs.code().files) == SENT
    assert inputs.untracked() == []


def test_of_a_checkout_nothing_is_sent_unless_git_says_what_is_tracked(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git cannot say which files") as error:
        inputs.code()
    assert len(str(error.value).splitlines()) == 1


def test_an_installed_conf_inside_the_package_is_sent_once(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(checkout / ".git")
    for name in PLANTED:
        (checkout / name).unlink()
    (checkout / "conf").rename(checkout / "imdb_cls/conf")
    monkeypatch.setattr(inputs, "CONF_DIR", checkout / "imdb_cls/conf")
    code = inputs.code()
    assert set(code.files) == SENT
    assert code.files["conf/train.yaml"] == checkout / "imdb_cls/conf/train.yaml"


def test_this_projects_code_is_complete_and_nothing_else() -> None:
    code = inputs.code()
    assert {"imdb_cls/train.py", "imdb_cls/container.py", "conf/train.yaml"} <= set(code.files)
    assert not {name for name in code.files if name.startswith(("launch", "tests", "docs"))}
    assert {Path(name).suffix for name in code.files} == {".py", ".yaml", ".txt"}
    assert code.size < 1_000_000


def of(*overrides: str) -> BackendConfig:
    backend = parsed(*overrides).backend
    assert backend is not None
    return backend


def test_the_staged_code_is_the_channels_files(checkout: Path, tmp_path: Path) -> None:
    staged = inputs.stage(inputs.code(), tmp_path / "staged", of())
    assert {p.relative_to(staged).as_posix() for p in staged.rglob("*") if p.is_file()} == SENT
    assert (staged / "imdb_cls/train.py").read_text() == "x = 1"
    assert (staged / "requirements.txt").read_text() == inputs.REQUIREMENTS.read_text()


def test_without_a_network_pip_looks_into_the_wheels_only(checkout: Path, tmp_path: Path) -> None:
    staged = inputs.stage(inputs.code(), tmp_path / "staged", of("backend.network_isolation=true"))
    lines = (staged / "requirements.txt").read_text().splitlines()
    assert lines[:2] == ["--no-index", "--find-links=/opt/ml/input/data/wheels"]
    assert "\n".join(lines[2:]) == inputs.REQUIREMENTS.read_text().rstrip("\n")


def test_a_channel_is_copied_with_its_folders(tmp_path: Path) -> None:
    made = write_texts(tmp_path / "1", {"a.txt": "one", "b/c.txt": "two"})
    channel = of_directory("code", made)
    inputs.copy(channel, tmp_path / "2")
    assert of_directory("code", tmp_path / "2").digest == channel.digest
