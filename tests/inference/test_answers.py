"""Answers are those of Hugging Face's container, and of the pipeline in it.

The expected values were given by sagemaker-huggingface-inference-toolkit 2.6.0 with transformers
4.51.3, of the container's image, for a model with these logits.
"""

import json
from typing import Any

import numpy as np
import pytest

from imdb_cls.inference import answers, contract
from imdb_cls.inference.contract import Limits

LOGITS = [[-0.7824617624282837, 0.1387563943862915], [0.05139686167240143, -0.5133812427520752]]
Scores = list[tuple[str, float]]
GOOD: Scores = [("POSITIVE", 0.7152902483940125), ("NEGATIVE", 0.28470975160598755)]
BAD: Scores = [("NEGATIVE", 0.637557327747345), ("POSITIVE", 0.36244264245033264)]
RANKED = [GOOD, BAD]
BEST = [GOOD[0], BAD[0]]
RAW: list[Scores] = [
    [("POSITIVE", 0.1387563943862915), ("NEGATIVE", -0.7824617624282837)],
    [("NEGATIVE", 0.05139686167240143), ("POSITIVE", -0.5133812427520752)],
]
# Parameters, the answer to a list of two texts, and that to the first of them alone.
RECORDED: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({}, BEST, BEST[:1]),
    ({"top_k": None}, RANKED, GOOD),
    ({"top_k": 1}, [GOOD[:1], BAD[:1]], GOOD[:1]),
    ({"top_k": 2}, RANKED, GOOD),
    ({"top_k": 5}, RANKED, GOOD),
    ({"return_all_scores": True}, [GOOD[::-1], BAD], [GOOD[::-1]]),
    ({"return_all_scores": False}, BEST, BEST[:1]),
    ({"return_all_scores": None}, BEST, BEST[:1]),
    ({"return_all_scores": True, "top_k": 1}, [GOOD[:1], BAD[:1]], GOOD[:1]),
    ({"return_all_scores": True, "top_k": None}, RANKED, GOOD),
    ({"function_to_apply": "softmax"}, BEST, BEST[:1]),
    ({"function_to_apply": None}, BEST, BEST[:1]),
    ({"function_to_apply": "none"}, [one[0] for one in RAW], [RAW[0][0]]),
    ({"function_to_apply": "NONE"}, [one[0] for one in RAW], [RAW[0][0]]),
    ({"function_to_apply": "none", "top_k": None}, RAW, RAW[0]),
    (
        {"function_to_apply": "sigmoid"},
        [("POSITIVE", 0.5346335768699646), ("NEGATIVE", 0.5128464102745056)],
        [("POSITIVE", 0.5346335768699646)],
    ),
    ({"truncation": True}, BEST, BEST[:1]),
    ({"truncation": "longest_first"}, BEST, BEST[:1]),
    ({"truncation": False}, BEST, BEST[:1]),
]


def answered(inputs: Any, parameters: Any = None, logits: Any = LOGITS, accept: str = "*/*") -> Any:
    body = contract.encode({"inputs": inputs, "parameters": parameters})
    request = contract.parse(body, "application/json", Limits(), accept)
    return answers.write(request, np.array(logits), temperature=2.0)


def written(labels: Any) -> Any:
    if isinstance(labels, list):
        return [written(one) for one in labels]
    return {"label": labels[0], "score": pytest.approx(labels[1], abs=1e-6)}


@pytest.mark.parametrize(("parameters", "many", "one"), RECORDED, ids=lambda value: str(value)[:60])
def test_an_answer_is_the_toolkits(
    parameters: dict[str, Any], many: list[Any], one: list[Any]
) -> None:
    assert json.loads(answered(["a", "b"], parameters)) == written(many)
    assert json.loads(answered("a", parameters, LOGITS[:1])) == written(one)


def test_an_answer_as_csv_is_the_toolkits() -> None:
    assert answered(["a", "b"], None, [[0.0, 0.0], [-2.0, 2.0]], "text/csv") == (
        b"label,score\r\nNEGATIVE,0.5\r\nPOSITIVE,0.9820137900379085\r\n"
    )


def test_uncalibrated_scores_are_of_the_logits_before_they_were_divided() -> None:
    for function in ("none", "softmax", "sigmoid"):
        plain = {"function_to_apply": function}
        doubled = answered(["a", "b"], plain, (2 * np.array(LOGITS)).tolist())
        assert answered(["a", "b"], {**plain, "calibrated": False}) == doubled


def test_scores_of_extreme_logits_are_numbers() -> None:
    for function in ("softmax", "sigmoid"):
        found = answered("a", {"function_to_apply": function, "top_k": None}, [[-1e4, 1e4]])
        assert found == (b'[{"label":"POSITIVE","score":1.0},{"label":"NEGATIVE","score":0.0}]')
