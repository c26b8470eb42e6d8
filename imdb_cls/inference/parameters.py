"""The `parameters` of a request: those of transformers.pipeline("text-classification") that have a
meaning here, and one of our own."""

from dataclasses import dataclass
from typing import Any, Literal

from imdb_cls.inference.faults import BadRequest, check_object, shown

_ALLOWED = ("top_k", "return_all_scores", "function_to_apply", "truncation", "calibrated")
_FUNCTIONS = ("softmax", "sigmoid", "none")
_CUT = (True, "longest_first", "only_first", None)
_WHOLE = (False, "do_not_truncate")


@dataclass(frozen=True)
class Parameters:
    form: Literal["best", "ranked", "all"] = "best"
    """What a text gets: its label, a list of labels with the best first, or a list of all labels in
    the order of names.LABELS."""
    top_k: int | None = None
    """How many labels are ranked; None for all."""
    function: str = "softmax"
    """What makes scores of logits."""
    calibrated: bool = True
    truncation: bool = True
    """Whether a text that is too long is cut, and not refused."""


def read(values: Any) -> Parameters:
    """Raises BadRequest for an unknown parameter, and a value that is not allowed."""
    if values is None:
        return Parameters()
    check_object(values, "parameters", "an object", _ALLOWED)
    calibrated, every = values.get("calibrated", True), values.get("return_all_scores")
    top_k, cut = values.get("top_k"), values.get("truncation")
    function = values.get("function_to_apply")
    # bool is a kind of int in Python, and 1 equals True.
    if type(top_k) not in (int, type(None)) or (top_k is not None and top_k < 1):
        raise _refused("top_k", top_k, "whole numbers from 1, and null")
    if type(every) not in (bool, type(None)):
        raise _refused("return_all_scores", every, "true, false and null")
    if not isinstance(calibrated, bool):
        raise _refused("calibrated", calibrated, "true and false")
    if isinstance(function, str):
        function = function.lower()
    if function not in (*_FUNCTIONS, None):
        raise _refused("function_to_apply", function, "'softmax', 'sigmoid', 'none' and null")
    if type(cut) in (int, float) or cut not in (*_CUT, *_WHOLE):
        allowed = "true, 'longest_first', 'only_first', false, 'do_not_truncate' and null"
        raise _refused("truncation", cut, allowed)
    return Parameters(
        # As the pipeline has it: top_k counts more than return_all_scores.
        "ranked" if "top_k" in values else "all" if every else "best",
        top_k,
        function or _FUNCTIONS[0],
        calibrated,
        cut in _CUT,
    )


def _refused(name: str, value: Any, allowed: str) -> BadRequest:
    return BadRequest(400, f"parameters.{name}: {shown(value)}: allowed are {allowed}")
