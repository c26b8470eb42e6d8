"""A model directory that is damaged, or that a stranger made, is one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from imdb_cls.errors import UserError
from imdb_cls.inference.labeller import Labeller
from imdb_cls.inference.network import load_trained
from imdb_cls.inference.settings import Settings
from tests.support.damage import DAMAGES

READ = ("config.json", "tokenizer.json", "model.fp32.onnx")


@pytest.fixture
def model(fast_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fast_run / "model", tmp_path / "model"))


@pytest.fixture
def foreign(model: Path) -> Path:
    """A model of which no hash gives away what was changed in it."""
    change(model / "inference.json", sha256={})
    return model


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("max_length", value) for value in (0, 10**9, -1, "32", [32], True, 1.5)),
        *(("head_fraction", value) for value in (7, -0.1, float("nan"), "0.25")),
        *(("temperature", value) for value in (0, -1, float("inf"), float("nan"), "1")),
        *(("fast", value) for value in ("../x.onnx", "/etc/x.onnx", "a/b.onnx", 7, "x.pt")),
    ],
)
def test_impossible_settings_are_refused(model: Path, key: str, value: object) -> None:
    change(model / "inference.json", **{key: value})
    with pytest.raises(UserError, match=rf"inference\.json.*{key}"):
        Settings.read(model)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"dim": 0}, "dim=0"),
        ({"dim": "32"}, "dim='32' is not a whole number"),
        ({"n_layers": 10**6}, "2 layers, not 1000000"),
        ({"n_heads": 5}, "must be a multiple of n_heads"),
        ({"vocab_size": 10**9}, "vocab_size=1000000000"),
        ({"activation": "exec"}, "activation=exec"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config is set"),
        ({"attn_implementation": "kernels-community/x"}, "attn_implementation is set"),
        ({"auto_map": {"AutoModel": "a--b.c"}}, "auto_map is set"),
        ({"model_type": "llama"}, "a 'llama' model"),
    ],
)
def test_a_config_that_is_none_of_ours_is_refused_before_anything_is_loaded(
    foreign: Path, values: dict[str, Any], part: str
) -> None:
    change(foreign / "config.json", **values)
    with pytest.raises(UserError) as caught:
        load_trained(foreign)
    assert part in str(caught.value)


def test_tokens_beyond_the_vocabulary_are_refused(foreign: Path) -> None:
    change(foreign / "config.json", vocab_size=1000)
    with pytest.raises(UserError, match="they are of different models"):
        Labeller.open(foreign)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*READ, "tokenizer_config.json"])
def test_a_damaged_file_is_named(model: Path, name: str, damage: str) -> None:
    DAMAGES[damage](model / name)
    with pytest.raises(UserError, match=name):
        Labeller.open(model)


@pytest.mark.parametrize("damage", [damage for damage in DAMAGES if damage != "flipped"])
@pytest.mark.parametrize("name", READ)
def test_so_is_one_of_which_no_hash_is_known(foreign: Path, name: str, damage: str) -> None:
    DAMAGES[damage](foreign / name)
    with pytest.raises(UserError, match=name):
        Labeller.open(foreign)


def test_hashes_of_files_elsewhere_are_not_looked_at(model: Path) -> None:
    change(model / "inference.json", sha256={"../run.json": "0" * 64})
    with pytest.raises(UserError, match=r"sha256 of \.\./run\.json: no file beside it"):
        Labeller.open(model)


@pytest.mark.parametrize("known", ["model", "foreign"])
@pytest.mark.parametrize("name", ["tokenizer.json", "model.fp32.onnx"])
def test_a_missing_file_is_named(request: pytest.FixtureRequest, known: str, name: str) -> None:
    model = request.getfixturevalue(known)
    (model / name).unlink()
    with pytest.raises(UserError, match=f"{name}: no such file"):
        Labeller.open(model)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_refused(model: Path, damage: str) -> None:
    DAMAGES[damage](model / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors"):
        load_trained(model)


@pytest.mark.parametrize("place", ["beside.bin", "missing.bin", "../outside.bin", "{top}/any.bin"])
def test_a_fast_model_that_leads_to_other_files_is_refused(
    model: Path, tmp_path: Path, place: str
) -> None:
    """Whether they are there or not: they could be any that its user may read."""
    file = model / "model.fp32.onnx"
    graph = onnx.load(str(file))
    onnx.save_model(
        graph,
        str(file),
        save_as_external_data=True,
        location="beside.bin",
        size_threshold=100,
    )
    shutil.copy(model / "beside.bin", tmp_path / "outside.bin")
    shutil.copy(model / "beside.bin", tmp_path / "any.bin")
    for tensor in graph.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = place.replace("{top}", str(tmp_path))
    file.write_bytes(graph.SerializeToString())
    change(model / "inference.json", sha256={})
    with pytest.raises(UserError, match="keeps weights in other files"):
        Labeller.open(model)
