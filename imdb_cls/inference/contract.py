"""The request of Hugging Face's inference container, as this model takes it."""

import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

from imdb_cls.inference import parameters
from imdb_cls.inference.faults import KINDS, BadRequest, check_object, quoted
from imdb_cls.inference.parameters import Parameters

JSON, CSV = "application/json", "text/csv"
_BODY = 'an object like {"inputs": "text"}'
_INPUTS = "a text or a list of texts"
# What a client may say that it accepts, and what it is sent.
_ACCEPTED = {JSON: JSON, "application/*": JSON, "*/*": JSON, CSV: CSV, "text/*": CSV}


@dataclass(frozen=True)
class Limits:
    """The most that one request may hold. The answer to more is status 413."""

    body_bytes: int = 6 * 1024 * 1024
    """That of InvokeEndpoint."""
    texts: int = 1024
    characters: int = 100_000
    """Of one text. IMDB's longest review has 13,704."""


@dataclass(frozen=True)
class Request:
    texts: list[str]
    alone: bool = False
    """Whether `inputs` was one text and not a list."""
    parameters: Parameters = field(default_factory=Parameters)
    answer_type: str = JSON
    """application/json or text/csv."""


def parse(
    body: bytes, content_type: str | None, limits: Limits, accept: str | None = None
) -> Request:
    """The request that a body holds: JSON that looks like
    {"inputs": "text" | ["text", …], "parameters": {"top_k": 1 | 2 | null, …}}
    or CSV with a column `inputs`. `accept` names the types that the client takes; None: any.

    Raises:
        BadRequest: 415 for another content type, 406 if the client takes neither JSON nor CSV, 413
            for what is over a limit, else 400.
    """
    kind, answer_type = check_content_type(content_type), _answer_type(accept)
    if len(body) > limits.body_bytes:
        raise too_large(limits)
    values = _json(body) if kind == JSON else _csv(body)
    check_object(values, "the body", _BODY, ("inputs", "parameters"))
    if "inputs" not in values:
        raise BadRequest(400, f"inputs is missing: {_INPUTS}")
    inputs, alone = values["inputs"], isinstance(values["inputs"], str)
    texts = [inputs] if alone else inputs
    if not isinstance(texts, list):
        raise BadRequest(400, f"inputs: {KINDS[type(inputs)]}, not {_INPUTS}")
    if not texts:
        raise BadRequest(400, "inputs: an empty list: give at least one text")
    if len(texts) > limits.texts:
        raise BadRequest(413, f"inputs: {len(texts):,} texts: at most {limits.texts:,} a request")
    for number, text in enumerate(texts):
        _check_text(text, "inputs" if alone else f"inputs[{number}]", limits)
    asked = parameters.read(values.get("parameters"))
    if answer_type == CSV and asked.form != "best":
        raise BadRequest(
            400, f"Accept: {CSV} has one label a text: leave out top_k and return_all_scores"
        )
    return Request(texts, alone, asked, answer_type)


def encode(values: object) -> bytes:
    """JSON on one line."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def check_content_type(content_type: str | None) -> str:
    """application/json or text/csv. Raises BadRequest (415) for all but these two in UTF-8."""
    kind, *details = (part.strip().lower() for part in (content_type or "").split(";"))
    named = {detail.replace('"', "").replace(" ", "") for detail in details}
    foreign = named - {"charset=utf-8", "charset=utf8"}
    refused = any(one.startswith("charset=") or one == "header=absent" for one in foreign)
    if kind not in (JSON, CSV) or refused:
        given = quoted(content_type) if content_type else "none"
        raise BadRequest(
            415, f"Content-Type: {given}: allowed are {JSON} and, with a header, {CSV} (in UTF-8)"
        )
    return kind


def too_large(limits: Limits) -> BadRequest:
    return BadRequest(413, f"the body: over {limits.body_bytes:,} bytes, the most that is taken")


def _answer_type(accept: str | None) -> str:
    """The first type that a client accepts and that there is."""
    named = [part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    for name in named:
        if name in _ACCEPTED:
            return _ACCEPTED[name]
    raise BadRequest(406, f"Accept: {quoted(accept or '')}: the answer is {JSON} or {CSV}")


def _json(body: bytes) -> Any:
    if not body.strip():
        raise BadRequest(400, f"the body: empty, not {_BODY}")
    try:
        return json.loads(
            _decoded(body, "utf-8"), object_pairs_hook=_object, parse_constant=_no_number
        )
    except RecursionError:
        raise BadRequest(400, "the body: nested too deeply") from None
    except json.JSONDecodeError as error:
        what = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise BadRequest(400, f"the body: not JSON: {what}") from None
    except BadRequest:
        raise
    except ValueError:  # Python converts no integer of more than 4,300 digits
        raise BadRequest(400, "the body: not JSON: a number of too many digits") from None


def _csv(body: bytes) -> dict[str, list[str]]:
    """The texts of the column `inputs`. Other columns and blank lines are left out."""
    text = _decoded(body, "utf-8-sig")  # Excel begins its files with a byte order mark
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # the limits on texts are ours
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    texts = []
    try:
        header = next(lines, [])
        if header.count("inputs") != 1:
            raise BadRequest(
                400, "the body: the first line of CSV names the columns, and one of them inputs"
            )
        for row in lines:
            if row and len(row) != len(header):
                raise BadRequest(
                    400,
                    f"the body: line {lines.line_num:,}: fields: {len(row)}, columns:"
                    f" {len(header)} (a text with a comma stands in double quotes)",
                )
            texts += row[header.index("inputs") :][:1]
    except csv.Error as error:
        raise BadRequest(400, f"the body: not CSV: {error} at line {lines.line_num:,}") from None
    return {"inputs": texts}


def _decoded(body: bytes, encoding: str) -> str:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadRequest(400, f"the body: not UTF-8 at byte {error.start:,}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses an object with one key twice, of which readers of JSON take the one or the other."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequest(400, f"the body: the key {quoted(name)} stands twice in one object")
        found[name] = value
    return found


def _no_number(name: str) -> None:
    raise BadRequest(400, f"the body: not JSON: {name} is no number there")


def _check_text(text: Any, where: str, limits: Limits) -> None:
    if not isinstance(text, str):
        raise BadRequest(400, f"{where}: {KINDS[type(text)]}, not a text")
    if not text.strip():
        raise BadRequest(400, f"{where}: an empty text")
    if len(text) > limits.characters:
        size = f"{len(text):,} characters: at most {limits.characters:,} a text"
        raise BadRequest(413, f"{where}: {size}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(
            400, f"{where}: half a character (a lone surrogate) at position {error.start:,}"
        ) from None
