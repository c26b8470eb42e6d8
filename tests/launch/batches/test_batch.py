"""python -m launch.batch: a transform job, its requests, and its answers in the reviews' order."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from imdb_cls.errors import UserError
from launch.aws.s3 import split_uri
from launch.batches import options
from launch.batches import reviews as written
from launch.rehearsal.server import NotStarted, Server
from launch.rehearsal.transform_jobs import TransformJob
from tests.support.doubles import Door
from tests.support.hosted import IMAGE, Account
from tests.support.local_aws import BUCKET, REGION, ROLE, Put
from tests.support.processes import Command

TEXTS = [f"{word}, number {number}" for number in range(70) for word in ("good", "a bad one")]


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """More than one request takes."""
    file = tmp_path / "reviews.jsonl"
    file.write_text("".join(json.dumps({"review": text}) + "\n" for text in TEXTS))
    return file


def test_a_batch_is_a_model_and_a_job(account: Account, reviews: Path) -> None:
    said = account.batch(reviews, "text=review", "wait=false", "tags.team=reviews")
    assert (said.code, said.err) == (0, "")
    (job,) = account.aws.transforms.jobs.all()
    request = job.request
    name = request["TransformJobName"]
    source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    tags = [
        {"Key": "imdb-cls:run", "Value": "/".join(account.run.parts[-2:])},
        {"Key": "team", "Value": "reviews"},
    ]
    assert request == {
        "TransformJobName": name,
        "ModelName": name,
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": 2,
        "MaxPayloadInMB": 6,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 600, "InvocationsMaxRetries": 1},
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "application/json",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{BUCKET}/imdb_cls/batch/{name}",
            "Accept": "application/json",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        "Tags": tags,
    }
    model = account.request("models")
    assert (model["ModelName"], model["ExecutionRoleArn"]) == (name, ROLE)
    assert model["PrimaryContainer"]["Image"] == IMAGE
    # Every line is a request that the container takes, and no text is missing.
    assert source.endswith("/")
    key = source.removeprefix(f"s3://{BUCKET}/") + "reviews-00000.jsonl"
    body = account.aws.client("s3", REGION).get_object(Bucket=BUCKET, Key=key)["Body"].read()
    requests = [json.loads(line) for line in body.splitlines()]
    assert [set(request) for request in requests] == [{"inputs"}] * 3
    assert [text for request in requests for text in request["inputs"]] == TEXTS


def test_the_answers_are_those_of_predict_in_the_reviews_order(
    answering: Account, reviews: Path, command: Command
) -> None:
    output = answering.run / "labels.parquet"
    said = answering.batch(reviews, "text=review", f"output={output}")
    assert (said.code, said.err) == (0, "")
    assert "at most" in said.out
    assert f"written to {output}" in said.out
    expected = answering.run / "expected.parquet"
    words = (f"run={answering.run}", f"input={reviews}", "text=review", f"output={expected}")
    assert command("predict", *words).returncode == 0
    ours, theirs = pq.read_table(output), pq.read_table(expected)
    assert ours["label"] == theirs["label"]
    assert ours["score"].to_pylist() == pytest.approx(theirs["score"].to_pylist(), abs=1e-6)
    # The model was the job's alone.
    assert answering.there()["models"] == []
    # The same command again fetches the same job's answers once more.
    output.unlink()
    again = answering.batch(reviews, "text=review", f"output={output}")
    assert "was begun already" in again.out
    assert pq.read_table(output) == ours
    assert len(answering.aws.transforms.jobs.all()) == 1


def test_a_job_that_failed_says_why_and_is_tried_anew(answering: Account, reviews: Path) -> None:
    works = answering.aws.endpoints.starter

    def fails(archive: Path) -> Server:
        raise NotStarted("no module named torch")

    answering.aws.endpoints.starter = fails
    line = answering.batch(reviews, "text=review").line
    (failed,) = answering.aws.transforms.jobs.all()
    assert f"{failed.name}: AlgorithmError: See job logs" in line
    assert "aws logs tail /aws/sagemaker/TransformJobs --log-stream-name-prefix" in line
    assert answering.there()["models"] == []
    answering.aws.endpoints.starter = works
    assert answering.batch(reviews, "text=review").code == 0
    names = [job.name for job in answering.aws.transforms.jobs.all()]
    assert names == [failed.name, f"{failed.name}-2"]
    assert (answering.run / f"{failed.name}.jsonl").read_text().count("\n") == len(TEXTS)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that the reviews make where one holds a line of 64."""
    monkeypatch.setattr(written, "_PART", 50)
    return [f"reviews-{number:05}.jsonl" for number in range(3)]


def sent(job: TransformJob, account: Account) -> list[str]:
    """The files of requests that a job was given."""
    uri = job.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    bucket, prefix = split_uri(uri)
    there = account.aws.client("s3", REGION).list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [item["Key"].removeprefix(prefix) for item in there["Contents"]]


def test_machines_share_the_files_and_the_order_stays(
    answering: Account, reviews: Path, request: pytest.FixtureRequest
) -> None:
    output = answering.run / "labels.jsonl"
    words = ("text=review", f"output={output}")
    assert answering.batch(reviews, *words).code == 0
    alone = output.read_text()
    assert len(set(alone.splitlines())) == len(TEXTS)
    parts = request.getfixturevalue("parts")
    assert answering.batch(reviews, *words, "instance_count=3").code == 0
    (_, job) = answering.aws.transforms.jobs.all()
    assert job.request["TransformResources"]["InstanceCount"] == 3
    assert sent(job, answering) == parts
    assert output.read_text() == alone


@pytest.mark.parametrize("how", ["failed", "one line short", "lost later", "failed at its end"])
def test_what_was_answered_is_kept(
    answering: Account, reviews: Path, parts: list[str], how: str
) -> None:
    """Only what is missing is asked for again."""
    output, words = answering.run / "labels.jsonl", ("text=review",)
    assert answering.batch(reviews, *words, f"output={output}").code == 0
    whole = output.read_text()
    (first,) = answering.aws.transforms.jobs.all()
    bucket, folder = split_uri(first.request["TransformOutput"]["S3OutputPath"])
    answer = {"Bucket": bucket, "Key": f"{folder.rstrip('/')}/{parts[1]}.out"}
    s3 = answering.aws.client("s3", REGION)
    if how == "one line short":
        kept = s3.get_object(**answer)["Body"].read().splitlines(keepends=True)
        s3.put_object(**answer, Body=b"".join(kept[:-1]))
    elif how != "failed at its end":
        s3.delete_object(**answer)
    if how != "lost later":
        first.status = "Failed"
    output.unlink()
    said = answering.batch(reviews, *words, f"output={output}")
    assert (said.code, said.err) == (0, "")
    assert output.read_text() == whole
    again = answering.aws.transforms.jobs.all()[1:]
    if how == "failed at its end":
        assert again == []
    else:
        assert "2 of 3 files are answered already" in said.out
        assert [sent(job, answering) for job in again] == [parts[1:2]]
        assert [job.name for job in again] == [f"{first.name}-2"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("operation", ["CreateModel", "CreateTransformJob"])
def test_a_job_whose_answer_was_lost_is_not_lost(
    account: Account, door: Door, reviews: Path, operation: str
) -> None:
    door.losing, door.lost = operation, "cut"
    if operation == "CreateTransformJob":
        door.refuse(operation, "ResourceLimitExceeded")
    said = account.batch(reviews, "text=review", "wait=false")
    assert (said.code, said.err) == (0, "")
    (job,) = account.aws.transforms.jobs.all()
    assert account.there()["models"] == [job.name]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("made", [True, False])
def test_a_job_of_which_nobody_knows_keeps_its_model(
    account: Account, door: Door, reviews: Path, made: bool
) -> None:
    door.losing = "CreateTransformJob"
    if made:
        door.lost = "cut"
        for refused in ("CreateTransformJob", "DescribeTransformJob"):
            door.refuse(refused, "ExpiredTokenException")
    else:
        door.dropped = 2
    line = account.batch(reviews, "text=review", "wait=false").line
    assert "it may have been made, and is billed then: the same command finds it" in line
    assert len(account.there()["models"]) == 1
    assert account.batch(reviews, "text=review", "wait=false").code == 0
    (job,) = account.aws.transforms.jobs.all()
    assert account.there()["models"] == [job.name]


def test_a_job_goes_on_without_its_command_until_it_is_stopped(
    account: Account, reviews: Path
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    account.after["DescribeTransformJob"] = interrupt
    said = account.batch(reviews, "text=review")
    assert said.code == 130
    assert "goes on: the same command goes on waiting, with stop=true it stops" in said.out
    (job,) = account.aws.transforms.jobs.all()
    assert job.status == "InProgress"
    assert account.batch(reviews, "text=review", "stop=true").code == 0
    assert job.status == "Stopped"
    line = account.batch(reviews, "text=review", "stop=true").line
    assert f"stop=true: {job.name} is not running (Stopped)" in line


@pytest.mark.usefixtures("impatient")
def test_a_job_that_is_stopped_is_no_error_where_the_answer_was_lost(
    account: Account, door: Door, reviews: Path
) -> None:
    assert account.batch(reviews, "text=review", "wait=false").code == 0
    door.losing, door.lost = "StopTransformJob", "cut"
    said = account.batch(reviews, "text=review", "stop=true")
    assert (said.code, said.err) == (0, "")
    assert account.aws.transforms.jobs.all()[0].status == "Stopped"


def test_a_job_with_this_name_in_its_own_is_another(account: Account, reviews: Path) -> None:
    assert account.batch(reviews, "text=review", "wait=false").code == 0
    (job,) = account.aws.transforms.jobs.all()
    for name in (f"{job.name}-mine", f"a-{job.name}"):
        account.aws.transforms.jobs.make({**job.request, "TransformJobName": name}, REGION)
    said = account.batch(reviews, "text=review", "wait=false")
    assert f"{job.name} was begun already" in said.out


def test_requests_in_s3_are_taken_as_they_are(answering: Account, put: Put) -> None:
    put("mine/a.jsonl", '{"inputs": "i liked it"}\n{"inputs": ["good", "bad"]}\n')
    put("mine/b.jsonl", '{"inputs": "i hated it"}\n')
    output = answering.run / "labels.jsonl"
    said = answering.batch(f"s3://{BUCKET}/mine/", "instance_count=2", f"output={output}")
    assert (said.code, said.err) == (0, "")
    assert output.read_text().count("\n") == 4
    (job,) = answering.aws.transforms.jobs.all()
    assert job.request["TransformResources"]["InstanceCount"] == 2
    assert "its answers: s3://" in answering.batch(f"s3://{BUCKET}/mine/", "instance_count=2").out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["instence_type=x"], "Did you mean 'instance_type'?"),
        (["max_seconds=5"], "max_seconds=5 must lie between 60 and"),
        (["max_concurrency=0"], "max_concurrency=0 must lie between 1 and 100"),
        (["output=labels.txt"], "allowed are files that end in"),
        (["stop=true", "rehearse=true"], "stop=true stops a job"),
        (["volume_kms_key=k", "instance_type=ml.g5.xlarge"], "ml.g5.xlarge has disks of its own"),
    ],
)
def test_contradictions_are_refused(words: list[str], part: str) -> None:
    with pytest.raises(UserError) as error:
        options.read(words)
    assert part in str(error.value)


@pytest.mark.parametrize(
    ("source", "words", "part"),
    [
        ("no-such.csv", [], "no-such.csv: no such file"),
        ("{reviews}", [], "no column 'text' among review. Name yours"),
        ("{reviews}", ["text=review", "instance_count=2"], "140 reviews are work for 1 at most"),
        ("s3://bucket/reviews.csv", [], "in S3, reviews are JSON lines of requests"),
    ],
)
def test_what_cannot_be_sent_is_one_line_and_leaves_nothing(
    account: Account, reviews: Path, source: str, words: list[str], part: str
) -> None:
    said = account.batch(source.replace("{reviews}", str(reviews)), *words)
    assert part in said.line
    assert said.out == ""
    assert account.changes == []


def test_a_text_that_the_server_would_refuse_is_found_before(
    account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text(json.dumps({"text": "x" * 100_001}) + "\n")
    line = account.batch(file).line
    assert f"{file}, line 1: text has 100,001 characters: at most 100,000" in line
    assert account.changes == []
