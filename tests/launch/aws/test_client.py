"""What AWS says, or something in its place, on one line."""

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from imdb_cls.errors import UserError
from launch.aws.client import ConnectionLost, explained

SKEWED = "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z"


def said(error: Exception) -> UserError:
    with pytest.raises(UserError) as found, explained("looking at job-1"):
        raise error
    assert len(str(found.value).splitlines()) == 1
    assert str(found.value).startswith("looking at job-1: ")
    return found.value


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidSignatureException", SKEWED),
        ("SignatureDoesNotMatch", "Signature not yet current: 2026 is still later than 2025"),
        ("RequestTimeTooSkewed", "The difference between the times is too large."),
    ],
)
def test_a_clock_that_is_wrong_is_called_that(code: str, message: str) -> None:
    response = {"Error": {"Code": code, "Message": message}}
    line = str(said(ClientError(response, "DescribeTrainingJob")))  # type: ignore[arg-type]
    assert "the clock of this machine is not AWS's" in line
    assert "log in again" not in line


def test_an_answer_that_is_not_awss_is_none() -> None:
    page = ResponseParserError("Unable to parse response, invalid XML received:\nb'<html>'")
    assert isinstance(said(page), ConnectionLost)
