"""Checks requests against what AWS declares of them, before they are sent."""

import functools
import math
import re
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from imdb_cls.errors import UserError, nearest, one_line

Request = dict[str, Any]
"""The body of a request, as boto3 takes it."""


def check_request(request: Request, operation: str = "CreateTrainingJob") -> None:
    """Checks a request against botocore's model of SageMaker: types, enums, patterns and lengths.
    AWS refuses the same, but only after the uploads. Raises UserError for the first thing that is
    wrong."""
    shape = _sagemaker().operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise UserError(f"the request: {one_line(Exception(report.generate_report()))}")
    for problem in problems(request, shape, "request"):
        raise UserError(problem)


@functools.cache
def _sagemaker() -> Any:
    return botocore.session.get_session().get_service_model("sagemaker")


def problems(value: Any, shape: Any, where: str) -> list[str]:
    """What is wrong with a value by the parts of botocore's model that boto3 does not check:
    patterns, enums and maxima."""
    found: list[str] = []
    if shape.type_name == "structure":
        for name, member in value.items():
            found += problems(member, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for number, member in enumerate(value):
            found += problems(member, shape.member, f"{where}[{number}]")
    elif shape.type_name == "map":
        for name, member in value.items():
            found += problems(name, shape.key, f"{where} key '{name}'")
            found += problems(member, shape.value, f"{where}.{name}")
    rules = shape.metadata
    if isinstance(value, str):
        if "enum" in rules and value not in rules["enum"]:
            found.append(
                f"{where}={value} is not one that AWS knows.{nearest(value, rules['enum'])}"
            )
        # Patterns of tags have Unicode classes, which Python's re does not know.
        pattern = rules.get("pattern", "")
        if pattern and "\\p{" not in pattern and not re.fullmatch(pattern, value):
            found.append(f"{where}={value} does not look like {pattern}")
    size = value if isinstance(value, int) else len(value) if hasattr(value, "__len__") else None
    if size is not None and size > rules.get("max", math.inf):
        found.append(f"{where} is {size}: AWS takes at most {rules['max']}")
    return found
