"""model.tar.gz: the model and the code that labels with it, alone in a process, byte for byte."""

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.errors import UserError
from imdb_cls.inference.labeller import Labeller
from imdb_cls.inference.settings import Settings
from imdb_cls.runs.run import Run
from launch.hosting import archive
from tests.support.damage import DAMAGES
from tests.support.runs import older, resealed

# What an inference image has none of, and what is not for it.
ABSENT = (
    *("pytorch_lightning", "hydra", "omegaconf", "datasets", "boto3", "botocore", "torchmetrics"),
    *("pyarrow", "scipy", "sklearn", "matplotlib", "rich", "wandb", "fastapi", "launch"),
)
# The toolkit's calls, in a process that has the archive's code and no other of ours.
TOOLKIT = """
import sys

sys.modules.update(dict.fromkeys({absent}))  # importing one of them fails
sys.path.insert(0, "code")
import inference
import imdb_cls
assert imdb_cls.__file__.startswith({root}), imdb_cls.__file__
model = inference.model_fn({root})
print(model.engine.name)
for body, kind, accept in {calls}:
    try:
        print(inference.transform_fn(model, body, kind, accept))
    except Exception as error:
        print(type(error).__name__, error)
"""


def in_toolkit(root: Path, *calls: tuple[Any, ...], absent: str = "torch") -> list[str]:
    program = TOOLKIT.format(absent=(*ABSENT, absent), root=repr(str(root)), calls=repr(calls))
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=root,
        env=clean,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_holds_the_model_and_the_code_to_label_with_it(packed: Path, fast_run: Path) -> None:
    with tarfile.open(packed) as tar:
        members = {member.name: member for member in tar}
        pins = tar.extractfile("code/requirements.txt")
        assert pins
        tested_with = Path(archive.__file__).parents[2] / "constraints.txt"
        assert pins.read().decode().strip() in tested_with.read_text().splitlines()
    code = {name for name in members if name.startswith("code/")}
    assert set(members) - code == {path.name for path in (fast_run / "model").iterdir()}
    assert {"code/inference.py", "code/imdb_cls/inference/handler.py"} <= code
    # Neither what trains nor what a run records.
    assert not [name for name in code if re.search(r"train|config|run\.|loggers|data/s", name)]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in members.values()} == {
        (0, 0, 0, "", 0o644)
    }


def test_the_same_model_is_the_same_bytes_wherever_it_lies(
    packed: Path, fast_run: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(fast_run, tmp_path / "elsewhere", copy_function=shutil.copy)
    (moved / "model" / ".half-written").write_text("secret")
    again = tmp_path / "other.tar.gz"
    archive.build(Run.open(moved), again)
    assert again.read_bytes() == packed.read_bytes()
    settings = replace(Settings.read(moved / "model"), temperature=2.0)
    settings.write(moved / "model")
    with pytest.raises(UserError, match=r"inference\.json is damaged, or of another run"):
        archive.build(Run.open(moved), again)
    archive.build(Run.open(resealed(moved)), again)
    assert again.read_bytes() != packed.read_bytes()


@pytest.mark.parametrize("name", ["model.safetensors", "model.fp32.onnx", "tokenizer_config.json"])
def test_a_damaged_model_is_not_packed(fast_run: Path, tmp_path: Path, name: str) -> None:
    run = shutil.copytree(fast_run, tmp_path / "run")
    DAMAGES["flipped"](run / "model" / name)
    with pytest.raises(UserError, match=f"{name} is damaged, or of another model"):
        archive.build(Run.open(run), tmp_path / "model.tar.gz")
    assert not (tmp_path / "model.tar.gz").exists()


def test_the_code_in_it_labels_alone_and_as_we_do(packed: Path, tmp_path: Path) -> None:
    root = tmp_path / "model"
    archive.unpack(packed, root)
    texts = ["i liked the movie", "i hated the movie", "the movie was okay"]
    json_type = "application/json"
    said = in_toolkit(
        root,
        (json.dumps({"inputs": texts}), json_type, json_type),
        (json.dumps({"inputs": texts[0]}).encode(), "application/json; charset=utf-8", "*/*"),
        ("inputs\n" + "\n".join(texts), "text/csv", json_type),
        ('{"inputs": []}', json_type, json_type),
        ('{"inputs": "a"}', json_type, "text/html"),
        ("a", "text/csv", json_type),
        (json.dumps({"inputs": "a " * 50, "parameters": {"truncation": False}}), json_type, None),
    )
    engine, many, one, rows, *refused = said
    expected = Labeller.open(root, threads=1).probabilities(texts).tolist()
    scores = [a["score"] if a["label"] == "POSITIVE" else 1 - a["score"] for a in json.loads(many)]
    assert scores == pytest.approx(expected, abs=1e-12)
    assert json.loads(one) == json.loads(many)[:1]
    assert rows == many
    assert refused == [
        "BadRequest inputs: an empty list: give at least one text",
        "BadRequest Accept: 'text/html': the answer is application/json or text/csv",
        "BadRequest the body: the first line of CSV names the columns, and one of them inputs",
        "BadRequest inputs: 52 tokens: at most 32 without truncation",
    ]
    assert engine == "onnx fp32"


def test_without_onnxruntime_it_labels_with_torch(packed: Path, tmp_path: Path) -> None:
    """An endpoint that cannot reach the package index has none."""
    archive.unpack(packed, tmp_path)
    engine, answer = in_toolkit(
        tmp_path, ('{"inputs": "i liked it"}', "application/json", None), absent="onnxruntime"
    )
    (label,) = json.loads(answer)
    likely = Labeller.open(tmp_path, threads=1).probabilities(["i liked it"])[0]
    assert label["score"] == pytest.approx(max(likely, 1 - likely), abs=1e-5)
    assert engine == "torch 32-true"


def test_a_container_without_a_network_is_asked_to_install_nothing(
    fast_run: Path, tmp_path: Path
) -> None:
    archive.build(Run.open(fast_run), tmp_path / "a.tar.gz", isolated=True)
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert "code/requirements.txt" not in tar.getnames()


def test_an_older_run_is_packed_with_the_settings_of_its_config(
    trained: Path, tmp_path: Path
) -> None:
    old = older(shutil.copytree(trained, tmp_path / "old"))
    archive.build(Run.open(old), tmp_path / "a.tar.gz")
    archive.unpack(tmp_path / "a.tar.gz", tmp_path / "root")
    assert Settings.read(tmp_path / "root") == Settings(32, 0.25)
    assert not (tmp_path / "root" / "code" / "requirements.txt").exists()


def damaged(content: bytes) -> bytes:
    return content[:-2000]


def with_another_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def leading_out(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../outside"))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (damaged, "damaged"),
        (with_another_byte, "damaged"),
        (leading_out, "is refused"),
        (gzip.decompress, "not a model.tar.gz"),
    ],
)
def test_a_damaged_or_hostile_archive_is_refused(
    change: Any, said: str, packed: Path, tmp_path: Path
) -> None:
    file = tmp_path / "given.tar.gz"
    file.write_bytes(change(packed.read_bytes()))
    with pytest.raises(UserError, match=said) as caught:
        archive.unpack(file, tmp_path / "root")
    assert str(file) in str(caught.value)
    assert not (tmp_path / "outside").exists()


def test_a_full_disk_leaves_no_half_archive(
    fast_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*anything: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(OSError, match="No space left"):
        archive.build(Run.open(fast_run), tmp_path / "model.tar.gz")
    assert not list(tmp_path.iterdir())
