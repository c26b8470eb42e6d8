"""Whatever is typed behind the keys of an endpoint or a batch job: it is taken, or one line."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imdb_cls.errors import UserError
from launch.batches.options import BatchOptions
from launch.endpoints.options import EndpointOptions
from launch.hosting.options import from_words
from tests.support.anything import TEXTS, VALUES, refusal

SCHEMAS: list[tuple[Any, str]] = [(EndpointOptions, "endpoint.yaml"), (BatchOptions, "batch.yaml")]
KEYS = sorted({item.name for schema, _ in SCHEMAS for item in fields(schema)})


@given(
    st.sampled_from(SCHEMAS),
    st.lists(st.tuples(st.sampled_from(KEYS) | TEXTS, VALUES).map("=".join), max_size=2),
)
@example(SCHEMAS[0], ["role='"])
@example(SCHEMAS[0], ["instance_count=" + "1" * 400])
@example(SCHEMAS[1], ["tags.a.b=1"])
@example(SCHEMAS[0], ["security_groups={}"])
def test_any_words_are_taken_or_refused(schema: tuple[Any, str], words: list[str]) -> None:
    refusal(lambda: from_words(schema[0], words, schema[1]))


@given(TEXTS)
@example("it's [a]")
@example("a: b")
def test_a_text_is_taken_as_it_is_or_refused(text: str) -> None:
    try:
        found = from_words(EndpointOptions, [f"role=x{text}"], "endpoint.yaml")
    except UserError:
        assert "${" in text or "," in text or not text.isprintable() or text != text.strip()
    else:
        assert found.role in (f"x{text}", f"x{text}".rstrip())


def test_a_tag_is_a_text() -> None:
    assert from_words(EndpointOptions, ["tags.version=1.10", "tags={a: b}"]).tags == {
        "version": "1.10",
        "a": "b",
    }
    with pytest.raises(UserError, match=r"1\.1 is no text: write it in quotes"):
        from_words(EndpointOptions, ["tags={version: 1.10}"])
