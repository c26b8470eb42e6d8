"""A JSON file becomes a dataclass whose values have the types of its fields, or is refused."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.errors import UserError
from imdb_cls.inference.settings import Settings
from imdb_cls.inference.shape import Shape
from imdb_cls.typed import filled, read_object
from tests.support.records import SETTINGS, SHAPE


@dataclass
class Inner:
    number: float
    maybe: int | None = None


@dataclass
class Outer:
    text: str
    whole: int = 3
    truth: bool = False
    inner: Inner | None = None
    several: list[Inner] = field(default_factory=list)
    named: dict[str, Inner] = field(default_factory=dict)
    anything: Any = None


def test_every_value_has_its_type() -> None:
    values = {
        "text": "a",
        "inner": {"number": 1, "other": "left out"},
        "several": [{"number": 0.5}],
        "named": {"a": {"number": 2, "maybe": 7}},
        "anything": [{"a": None}],
        "unknown": 1,
        "whole": None,
    }
    found = filled(Outer, values, "file")
    assert found == Outer(
        "a", 3, False, Inner(1.0), [Inner(0.5)], {"a": Inner(2.0, 7)}, [{"a": None}]
    )
    assert found.inner is not None
    assert isinstance(found.inner.number, float)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "file is damaged: it lacks text"),
        ({"text": 1}, "file: text=1 is not a text"),
        ({"text": "a", "whole": 1.0}, "file: whole=1.0 is not a whole number"),
        ({"text": "a", "whole": True}, "file: whole=True is not a whole number"),
        ({"text": "a", "whole": 2**63}, "file: whole=9223372036854775808 is not a whole number"),
        ({"text": "a", "truth": 1}, "file: truth=1 is not true or false"),
        ({"text": "a", "inner": [1]}, "file: inner=[1] is not an object"),
        ({"text": "a", "inner": {}}, "file: inner is damaged: it lacks number"),
        ({"text": "a", "inner": {"number": "1"}}, "file: inner: number='1' is not a number"),
        ({"text": "a", "several": {}}, "file: several={} is not a list"),
        ({"text": "a", "several": [{"number": 1}, 2]}, "file: several[1]=2 is not an object"),
        ({"text": "a", "named": {"b": 1}}, "file: named.b=1 is not an object"),
        ({"text": ["x" * 99 + "\n"]}, "is not a text: the file is damaged"),
    ],
)
def test_what_has_another_type_is_told_in_a_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        filled(Outer, values, "file")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_of_a_part_a_field_may_be_missing() -> None:
    assert filled(Outer, {"inner": {}}, "file", partial=True) == Outer(
        None,  # type: ignore[arg-type]
        inner=Inner(None),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "text", ["", "[1]", "null", "{", '{"a": 1} x', "\xff", '{"a": ' + "9" * 5000 + "}", "[" * 10**5]
)
def test_what_is_no_object_is_told_in_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"a\.json is damaged: .+") as caught:
        read_object(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "schema", "way", "wrong", "said"),
    [
        (SETTINGS, Settings, "max_length", [0, 7, 513, 10**9], "must lie between 8 and 512"),
        (SETTINGS, Settings, "max_length", ["32", 1.5, True], "is not a whole number"),
        (SETTINGS, Settings, "head_fraction", [-0.1, 1.1, 7], "must lie between 0 and 1"),
        (SETTINGS, Settings, "temperature", [0, -1.5], "must be above 0"),
        (SETTINGS, Settings, "fast", ["../a.onnx", "/a.onnx", "a.pt"], "allowed is an .onnx file"),
        (SETTINGS, Settings, "sha256", [[], "a"], "is not an object"),
        *(
            (SHAPE, Shape, name, [0, -1, 10**9], "")
            for name in ("vocab_size", "n_layers", "n_heads", "dim", "max_position_embeddings")
        ),
        (SHAPE, Shape, "hidden_dim", [0, 10**8], "hidden_dim="),
        (SHAPE, Shape, "n_heads", [5], "dim must be a multiple of n_heads"),
        (SHAPE, Shape, "activation", ["exec", "tanh"], "allowed are gelu, gelu_new, relu, silu"),
        (SHAPE, Shape, "pad_token_id", [-1, 100], "must be below vocab_size"),
        (SHAPE, Shape, "initializer_range", [0, 1, -0.5], "lie between 0 and 1"),
        (SHAPE, Shape, "model_type", ["llama", ""], "allowed are distilbert and bert"),
        (SHAPE, Shape, "attn_implementation", ["flash", "a/b"], "only plain weights and kernels"),
    ],
)
def test_a_value_that_is_impossible_names_its_file_field_and_what_is_allowed(
    tmp_path: Path, values: dict[str, Any], schema: Any, way: str, wrong: list[Any], said: str
) -> None:
    for value in wrong:
        (tmp_path / schema.FILE).write_text(json.dumps(values | {way: value}))
        with pytest.raises(UserError) as caught:
            schema.read(tmp_path)
        line = str(caught.value)
        assert line.startswith(f"{tmp_path / schema.FILE}: ")
        assert said in line
        assert way in line or way == "model_type"
        assert "\n" not in line
