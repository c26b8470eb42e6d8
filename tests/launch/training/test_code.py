"""A job is sent what it needs, once, and nothing else."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imdb_cls.config import CONF_DIR
from imdb_cls.errors import UserError
from launch.aws.client import AWS
from launch.aws.store import Channel, Store, of_directory
from launch.rehearsal.aws import LocalAWS
from launch.training import code as inputs
from tests.support.local_aws import BUCKET, REGION

ROOT = CONF_DIR.parent


def files(directory: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def keys(aws: LocalAWS, prefix: str = "") -> dict[str, int]:
    """What lies in the bucket: sizes by key."""
    answer = aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return {item["Key"]: item["Size"] for item in answer.get("Contents", [])}


@pytest.fixture
def store(aws: LocalAWS) -> Store:
    return Store(AWS(REGION), BUCKET, "imdb_cls", None)


def another(store: Store, kms_key: str | None = None) -> Store:
    """What the next job's client has."""
    return Store(AWS(REGION), store.bucket, store.prefix, kms_key)


# Digests


CONTENTS = {"a.txt": "one", "b/c.txt": "two"}


def test_a_digest_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    one = of_directory("one", files(tmp_path / "1", CONTENTS))
    two = of_directory("two", files(tmp_path / "2", dict(reversed(CONTENTS.items()))))
    for path in (tmp_path / "2").rglob("*.txt"):
        path.touch()
        path.chmod(0o600)
    assert one.digest == two.digest
    assert Channel("any", dict(reversed(two.files.items()))).digest == one.digest
    assert re.fullmatch(r"[0-9a-f]{16}", one.digest)


@pytest.mark.parametrize(
    "changed",
    [
        {"a.txt": "one", "b/c.txt": "twp"},
        {"a.txt": "two", "b/c.txt": "one"},
        {"a.txt": "one", "b/d.txt": "two"},
        {"a.txt": "one", "c.txt": "two"},
        {"a.txt": "one"},
        {"a.txt": "one", "b/c.txt": "two", "d.txt": ""},
    ],
)
def test_every_other_name_or_content_has_another_digest(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    one = of_directory("code", files(tmp_path / "1", CONTENTS))
    assert of_directory("code", files(tmp_path / "2", changed)).digest != one.digest


def test_pythons_caches_are_no_part_of_a_channel(tmp_path: Path) -> None:
    made = files(tmp_path, {**CONTENTS, "__pycache__/a.pyc": "x", "b/__pycache__/c.pyc": "y"})
    channel = of_directory("code", made)
    assert set(channel.files) == set(CONTENTS)
    assert channel.size == 6


# The store


def test_a_channel_lies_under_its_digest(store: Store, aws: LocalAWS, tmp_path: Path) -> None:
    channel = of_directory("reviews", files(tmp_path, CONTENTS))
    prefix = f"imdb_cls/inputs/reviews/{channel.digest}/"
    assert store.put(channel) == ["reviews/a.txt", "reviews/b/c.txt"]
    assert store.uri(channel) == f"s3://{BUCKET}/{prefix}"
    assert keys(aws) == {f"{prefix}a.txt": 3, f"{prefix}b/c.txt": 3}


def test_without_a_prefix_no_key_begins_with_a_slash(tmp_path: Path) -> None:
    channel = of_directory("reviews", files(tmp_path, CONTENTS))
    for prefix in ("", "/"):
        store = Store(None, BUCKET, prefix, None)
        assert store.uri(channel) == f"s3://{BUCKET}/inputs/reviews/{channel.digest}/"


def test_the_second_job_uploads_nothing(store: Store, aws: LocalAWS, tmp_path: Path) -> None:
    channel = of_directory("reviews", files(tmp_path / "1", CONTENTS))
    assert store.has(channel) is False
    assert store.put(channel) == ["reviews/a.txt", "reviews/b/c.txt"]
    before = aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET)["Contents"]

    second = another(store)
    same = of_directory("reviews", files(tmp_path / "2", CONTENTS))
    assert second.has(same) is True
    assert second.uri(same) == store.uri(channel)
    assert second.put(same) == []
    assert aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET)["Contents"] == before


def test_an_upload_that_broke_off_is_completed(
    store: Store, aws: LocalAWS, put: Callable[..., None], tmp_path: Path
) -> None:
    channel = of_directory("reviews", files(tmp_path, {**CONTENTS, "d.txt": "three"}))
    prefix = f"imdb_cls/inputs/reviews/{channel.digest}/"
    put(f"{prefix}a.txt", "one")
    put(f"{prefix}d.txt", "thr")  # of another size: not the file
    assert store.has(channel) is False
    assert store.put(channel) == ["reviews/b/c.txt", "reviews/d.txt"]
    assert keys(aws) == {f"{prefix}a.txt": 3, f"{prefix}b/c.txt": 3, f"{prefix}d.txt": 5}


def test_a_changed_file_is_another_channel_and_the_old_one_stays(
    store: Store, aws: LocalAWS, tmp_path: Path
) -> None:
    store.put(of_directory("code", files(tmp_path, CONTENTS)))
    before = keys(aws)
    store.put(of_directory("code", files(tmp_path, {"a.txt": "ONE"})))
    assert before.items() < keys(aws).items()
    assert len(keys(aws)) == 4


def test_uploads_are_encrypted_with_the_key_that_is_asked_for(
    store: Store, aws: LocalAWS, tmp_path: Path
) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    another(store, key).put(of_directory("reviews", files(tmp_path, CONTENTS)))
    assert keys(aws)
    for name in keys(aws):
        head = aws.client("s3", REGION).head_object(Bucket=BUCKET, Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_dry_run_asks_nobody(tmp_path: Path) -> None:
    store = Store(None, BUCKET, "imdb_cls", None)
    channel = of_directory("reviews", files(tmp_path, CONTENTS))
    assert store.has(channel) is None
    assert store.uri(channel).startswith(f"s3://{BUCKET}/")


# The code


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
    root = files(tmp_path / "checkout", TRACKED)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    files(root, PLANTED)
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
    files(checkout, {"imdb_cls/.env": "SECRET=1", "conf/credentials.json": "{}"})
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


def test_the_staged_code_is_the_channels_files(checkout: Path, tmp_path: Path) -> None:
    staged = inputs.stage(inputs.code(), tmp_path / "staged", isolated=False)
    assert {p.relative_to(staged).as_posix() for p in staged.rglob("*") if p.is_file()} == SENT
    assert (staged / "imdb_cls/train.py").read_text() == "x = 1"
    assert (staged / "requirements.txt").read_text() == inputs.REQUIREMENTS.read_text()


def test_without_a_network_pip_looks_into_the_wheels_only(checkout: Path, tmp_path: Path) -> None:
    staged = inputs.stage(inputs.code(), tmp_path / "staged", isolated=True)
    lines = (staged / "requirements.txt").read_text().splitlines()
    assert lines[:2] == ["--no-index", "--find-links=/opt/ml/input/data/wheels"]
    assert "\n".join(lines[2:]) == inputs.REQUIREMENTS.read_text().rstrip("\n")


def test_weights_are_the_files_that_a_run_loads(tiny_model: Path) -> None:
    channel = inputs.weights(tiny_model)
    assert set(channel.files) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert channel.size == sum((tiny_model / name).stat().st_size for name in channel.files)


def test_a_channel_is_copied_with_its_folders(tmp_path: Path) -> None:
    channel = of_directory("code", files(tmp_path / "1", CONTENTS))
    inputs.copy(channel, tmp_path / "2")
    assert of_directory("code", tmp_path / "2").digest == channel.digest


# The job's packages


def pins(path: Path) -> dict[str, str]:
    """Requirement lines by the package's name, lower case."""
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    split = [re.split(r"(?=[<>=!~])", line, maxsplit=1) for line in lines if line]
    return {name[0].strip().lower(): (name[1] if len(name) > 1 else "") for name in split}


def test_the_images_own_packages_are_not_pinned() -> None:
    required = pins(inputs.REQUIREMENTS)
    assert {"torch", "transformers"} <= set(required)  # named, so that pip keeps them
    for own in ("torch", "transformers", "tokenizers", "huggingface_hub", "numpy", "safetensors"):
        assert required.get(own, "") == "", own


def test_the_jobs_pins_are_those_that_everything_is_tested_with() -> None:
    tested = pins(ROOT / "constraints.txt")
    required = pins(inputs.REQUIREMENTS)
    pinned = {name: pin for name, pin in required.items() if pin.startswith("==")}
    assert len(pinned) > 5
    assert pinned == {name: tested[name] for name in pinned}


def test_the_job_is_given_all_that_the_package_imports() -> None:
    # yaml comes with omegaconf; the others are imported only where a config asks for them.
    elsewhere = {"yaml", "boto3", "botocore", "tokenizers", "huggingface_hub", "numpy"}
    elsewhere |= {"safetensors"}
    # What runs a sweep, what reads runs and what exports models stay at home.
    elsewhere |= {"joblib", "optuna", "matplotlib", "jinja2", "markupsafe"}
    elsewhere |= {"captum", "cleanlab", "sklearn", "onnx", "onnxruntime"}
    distributions = {"hydra": "hydra-core", "pytorch_lightning": "pytorch-lightning"}
    imported = {
        name
        for path in (ROOT / "imdb_cls").rglob("*.py")
        for name in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text("utf-8"), re.M)
    }
    third_party = imported - set(sys.stdlib_module_names) - {"imdb_cls", "launch"}
    needed = {distributions.get(name, name) for name in third_party - elsewhere}
    assert "torch" in needed
    assert needed <= set(pins(inputs.REQUIREMENTS))
