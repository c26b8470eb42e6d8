"""What can go wrong between here and a job: one line says it, and nothing half-done is left."""

from pathlib import Path

import pytest

from tests.support.doubles import Door, Submit
from tests.support.local_aws import BUCKET, REGION, minimal_request
from tests.support.runs import read


@pytest.mark.usefixtures("unguarded")
@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("backend.job_name=taken", ["taken", "choose another backend.job_name"]),
        ("backend.role=arn:aws:iam::123456789012:role/nobody", ["role/nobody", "role exists"]),
        ("backend.bucket=no-such-bucket", ["no-such-bucket", "aws s3 mb s3://no-such-bucket"]),
    ],
)
def test_what_the_account_does_not_have_is_named(
    door: Door, submit: Submit, tmp_path: Path, override: str, parts: list[str]
) -> None:
    door.aws.client("sagemaker", REGION).create_training_job(**minimal_request("taken"))
    line = submit(override).line
    assert all(part in line for part in parts), line
    assert list(tmp_path.iterdir()) == []
    assert door.jobs == ["taken"]


def test_without_credentials_it_says_what_to_do(
    door: Door, submit: Submit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    said = submit()
    assert "no AWS credentials: run `aws configure`" in said.line
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []
    assert door.seen == []


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("AccessDeniedException", "docs/sagemaker.md"),
        ("ResourceLimitExceeded", "ml.p3.2xlarge for training job usage"),
        ("ExpiredTokenException", "have expired"),
    ],
)
def test_a_refused_request_leaves_nothing_but_the_inputs(
    door: Door, submit: Submit, tmp_path: Path, code: str, part: str
) -> None:
    door.refuse("CreateTrainingJob", code)
    line = submit().line
    assert part in line
    assert "Planted refusal." in line
    assert list(tmp_path.iterdir()) == []
    assert door.jobs == []


def test_throttling_is_waited_out(door: Door, submit: Submit) -> None:
    door.refuse("CreateTrainingJob", "ThrottlingException", times=2)
    said = submit()
    assert (said.code, said.err) == (0, "")
    assert door.seen.count("CreateTrainingJob") == 3
    assert len(door.jobs) == 1


def test_throttling_for_ever_is_one_line(
    door: Door, submit: Submit, tmp_path: Path, impatient: None
) -> None:
    door.refuse("CreateTrainingJob", "ThrottlingException", times=1000)
    line = submit().line
    assert "Planted refusal." in line
    # Whether a job was created cannot be known: the run directory is there to find out.
    assert f"python -m launch.jobs attach {tmp_path}/run" in line
    assert read(tmp_path / "run", "run.json")["job_name"].startswith("imdb-cls-")


def test_no_connection_is_one_line(
    door: Door, submit: Submit, tmp_path: Path, impatient: None
) -> None:
    door.shut()
    assert "AWS cannot be reached" in submit().line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("how", "name"), [("cut", "null"), ("a 500", "mine")])
def test_a_lost_answer_is_no_failure(
    door: Door, submit: Submit, tmp_path: Path, how: str, name: str
) -> None:
    """The job was created, the client did not hear of it and asked again."""
    door.lost = how
    said = submit(f"backend.job_name={name}")
    assert (said.code, said.err) == (0, "")
    assert door.seen.count("CreateTrainingJob") == 2
    assert door.jobs == [read(tmp_path / "run", "run.json")["job_name"]]


@pytest.mark.usefixtures("unguarded")
def test_a_second_job_uploads_nothing(door: Door, submit: Submit) -> None:
    def stored() -> list[str]:
        sent = [s for s in door.seen if s.startswith((f"PUT /{BUCKET}/", f"POST /{BUCKET}/"))]
        door.seen.clear()
        return sent

    place = "backend.prefix=new"  # where no code is yet
    first = submit(place, name="first")
    assert len(stored()) > 200
    assert "uploaded" in first.out
    second = submit(place, name="second")
    assert (second.code, stored()) == (0, [])
    assert "uploaded" not in second.out
    assert second.out.count("in S3 already") == 4
    assert len(door.jobs) == 2
