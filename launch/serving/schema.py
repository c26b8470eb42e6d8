"""The contract as OpenAPI describes it, for the page at /docs."""

from typing import Any

from imdb_cls.inference.contract import CSV, JSON, Limits
from imdb_cls.names import LABELS

DESCRIPTION = """
Tells positive movie reviews from negative ones. The request and the answer are those of Hugging
Face's inference container on SageMaker, so a client of the endpoint is a client of this server.
"""
# Requests and answers. The scores are only examples.
EXAMPLES: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "several texts": (
        {"inputs": ["i liked the movie", "i hated the movie"]},
        [{"label": "POSITIVE", "score": 0.97}, {"label": "NEGATIVE", "score": 0.98}],
    ),
    "one text": ({"inputs": "i liked the movie"}, [{"label": "POSITIVE", "score": 0.97}]),
    "all scores": (
        {"inputs": ["i liked the movie"], "parameters": {"top_k": 2}},
        [[{"label": "POSITIVE", "score": 0.97}, {"label": "NEGATIVE", "score": 0.03}]],
    ),
    "without calibration": (
        {"inputs": ["i liked the movie"], "parameters": {"calibrated": False}},
        [{"label": "POSITIVE", "score": 0.99}],
    ),
}
_LABEL = {
    "type": "object",
    "required": ["label", "score"],
    "properties": {
        "label": {"type": "string", "enum": list(LABELS)},
        "score": {"type": "number", "description": "its probability, if no other function applies"},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "one line"}},
}
_REFUSALS = {
    400: "not JSON, or not this request: the line says what and where",
    406: f"Accept allows neither {JSON} nor {CSV}",
    408: "the body did not arrive in time",
    413: "too large a body, too many texts, or too long a one",
    415: f"Content-Type is neither {JSON} nor {CSV}",
    503: "too many texts are waiting: try again after Retry-After seconds",
}


def body(limits: Limits) -> dict[str, Any]:
    """What OpenAPI says of the body of POST /invocations."""
    text = {"type": "string", "minLength": 1, "maxLength": limits.characters}
    texts = {"type": "array", "items": text, "minItems": 1, "maxItems": limits.texts}
    parameters = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "top_k": {
                "type": ["integer", "null"],
                "minimum": 1,
                "description": "a list of labels a text, the best first; null: all of them",
            },
            "return_all_scores": {
                "type": ["boolean", "null"],
                "description": "a list of both labels a text, NEGATIVE first; top_k counts more",
            },
            "function_to_apply": {
                "enum": ["softmax", "sigmoid", "none", None],
                "default": "softmax",
                "description": "what makes scores of the network's logits",
            },
            "truncation": {
                "enum": [True, "longest_first", "only_first", False, "do_not_truncate", None],
                "default": True,
                "description": "whether a text that is too long is cut as in training, or refused",
            },
            "calibrated": {
                "type": "boolean",
                "default": True,
                "description": "false: the network's own scores, without temperature scaling",
            },
        },
    }
    schema = {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {"inputs": {"anyOf": [text, texts]}, "parameters": parameters},
    }
    examples = {name: {"value": request} for name, (request, _) in EXAMPLES.items()}
    content = {
        JSON: {"schema": schema, "examples": examples},
        CSV: {"schema": {"type": "string"}, "example": "inputs\ni liked the movie\n"},
    }
    return {"requestBody": {"required": True, "content": content}}


def answers() -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the answers of POST /invocations, by their status."""
    schema = {
        "type": "array",
        "items": {"anyOf": [_LABEL, {"type": "array", "items": _LABEL}]},
        "description": "one a text, in their order; a list of labels a text if top_k is given",
    }
    examples = {name: {"value": answer} for name, (_, answer) in EXAMPLES.items()}
    error = {JSON: {"schema": _ERROR}}
    return {
        200: {
            "description": "A label and its probability",
            "content": {
                JSON: {"schema": schema, "examples": examples},
                CSV: {"schema": {"type": "string"}, "example": "label,score\nPOSITIVE,0.97\n"},
            },
        },
        **{status: {"description": why, "content": error} for status, why in _REFUSALS.items()},
    }
