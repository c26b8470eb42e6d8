"""The request and the answer of Hugging Face's inference container, as this model takes them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imdb_cls.names import LABELS

CONTENT_TYPE = "application/json"
_BODY = 'an object like {"inputs": "text"}'
_KINDS = {bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
_KINDS |= {str: "a text", list: "a list", dict: "an object"}


class BadRequest(ValueError):
    """Says on one line what is wrong with a request, where, and what is allowed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


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
    top_k: int | None = None
    """How many labels a text gets; None for all."""
    calibrated: bool = True
    ranked: bool = False
    """Whether `top_k` was given. Then a text gets a list of labels, the best first."""


def parse(body: bytes, content_type: str | None, limits: Limits) -> Request:
    """The request that a body holds, which looks like
    {"inputs": "text" | ["text", …], "parameters": {"top_k": 1 | 2 | null, "calibrated": true}}

    Raises:
        BadRequest: 415 for another content type, 413 for what is over a limit, else 400.
    """
    check_content_type(content_type)
    if len(body) > limits.body_bytes:
        raise too_large(limits)
    values = _json(body)
    _check_object(values, "the body", _BODY, ("inputs", "parameters"))
    if "inputs" not in values:
        raise BadRequest(400, "inputs is missing: a text or a list of texts")
    inputs, alone = values["inputs"], isinstance(values["inputs"], str)
    texts = [inputs] if alone else inputs
    if not isinstance(texts, list):
        raise BadRequest(400, f"inputs: {_KINDS[type(inputs)]}, not a text or a list of texts")
    if not texts:
        raise BadRequest(400, "inputs: an empty list: give at least one text")
    if len(texts) > limits.texts:
        raise BadRequest(413, f"inputs: {len(texts):,} texts: at most {limits.texts:,} a request")
    for number, text in enumerate(texts):
        _check_text(text, "inputs" if alone else f"inputs[{number}]", limits)
    return Request(texts, alone, **_parameters(values.get("parameters", {})))


def answer(request: Request, probabilities: Sequence[float]) -> list[Any]:
    """What transformers.pipeline("text-classification") gives for the same inputs and top_k.

    Args:
        probabilities: [texts], of POSITIVE.
    """
    ranked = [_labels(float(probability)) for probability in probabilities]
    if not request.ranked:
        return [labels[0] for labels in ranked]
    kept = [labels[: request.top_k] for labels in ranked]
    return kept[0] if request.alone else kept


def encode(values: object) -> bytes:
    """JSON on one line."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def check_content_type(content_type: str | None) -> None:
    """Raises BadRequest (415) for all but JSON in UTF-8."""
    kind, _, rest = (content_type or "").partition(";")
    charset = rest.strip().lower().partition("charset=")[2].strip('" ')
    if kind.strip().lower() != CONTENT_TYPE or charset not in ("", "utf-8", "utf8"):
        given = _quoted(content_type) if content_type else "none"
        raise BadRequest(415, f"Content-Type: {given}: allowed is {CONTENT_TYPE} (in UTF-8)")


def too_large(limits: Limits) -> BadRequest:
    return BadRequest(413, f"the body: over {limits.body_bytes:,} bytes, the most that is taken")


def _labels(probability: float) -> list[dict[str, Any]]:
    """Both labels, the likelier one first."""
    scores = (1 - probability, probability)
    best = int(probability > 0.5)
    return [{"label": LABELS[i], "score": scores[i]} for i in (best, 1 - best)]


def _json(body: bytes) -> Any:
    if not body.strip():
        raise BadRequest(400, f"the body: empty, not {_BODY}")
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number
        )
    except UnicodeDecodeError as error:
        raise BadRequest(400, f"the body: not UTF-8 at byte {error.start:,}") from None
    except RecursionError:
        raise BadRequest(400, "the body: nested too deeply") from None
    except json.JSONDecodeError as error:
        what = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise BadRequest(400, f"the body: not JSON: {what}") from None
    except BadRequest:
        raise
    except ValueError:  # Python converts no integer of more than 4,300 digits
        raise BadRequest(400, "the body: not JSON: a number of too many digits") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses an object with one key twice, of which readers of JSON take the one or the other."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequest(400, f"the body: the key {_quoted(name)} stands twice in one object")
        found[name] = value
    return found


def _no_number(name: str) -> None:
    raise BadRequest(400, f"the body: not JSON: {name} is no number there")


def _check_text(text: Any, where: str, limits: Limits) -> None:
    if not isinstance(text, str):
        raise BadRequest(400, f"{where}: {_KINDS[type(text)]}, not a text")
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


def _parameters(values: Any) -> dict[str, Any]:
    if values is None:
        return {}
    _check_object(values, "parameters", "an object", ("top_k", "calibrated"))
    top_k, calibrated = values.get("top_k"), values.get("calibrated", True)
    if isinstance(top_k, (bool, float)) or top_k not in (None, 1, 2):
        raise BadRequest(400, f"parameters.top_k: {_shown(top_k)}: allowed are 1, 2 and null")
    if not isinstance(calibrated, bool):
        shown = _shown(calibrated)
        raise BadRequest(400, f"parameters.calibrated: {shown}: allowed are true and false")
    return {"top_k": top_k, "calibrated": calibrated, "ranked": "top_k" in values}


def _check_object(values: Any, where: str, wanted: str, allowed: tuple[str, ...]) -> None:
    if not isinstance(values, dict):
        raise BadRequest(400, f"{where}: {_KINDS[type(values)]}, not {wanted}")
    for name in values:
        if name not in allowed:
            raise BadRequest(
                400, f"{where}: unknown key {_quoted(name)}: allowed are {' and '.join(allowed)}"
            )


def _shown(value: Any) -> str:
    """A value as it is if it is short, else its kind."""
    if isinstance(value, str):
        return f"the text {_quoted(value)}"
    return _KINDS[type(value)] if isinstance(value, (list, dict)) else json.dumps(value)[:20]


def _quoted(text: str) -> str:
    """A text in quotes, on one line, cut if it is long."""
    return repr(text if len(text) <= 40 else text[:39] + "…").encode("ascii", "replace").decode()
