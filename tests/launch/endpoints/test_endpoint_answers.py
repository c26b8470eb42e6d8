"""What endpoints answer, and the whole story of one in a single command."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from imdb_cls.inference import handler
from imdb_cls.inference.contract import CSV, JSON
from imdb_cls.runs.run import Run
from launch.endpoints import names
from launch.endpoints.rehearse import SAMPLES
from launch.rehearsal import rehearse
from tests.support.called import call
from tests.support.hosted import IMAGE, Account
from tests.support.local_aws import BUCKET, REGION, GuardedAWS
from tests.support.policies import documented
from tests.support.processes import Command, processes_of
from tests.support.served import with_fast


@pytest.fixture(scope="module")
def predicted(fast_run: Path, command: Command) -> str:
    """What imdb_cls.predict says of the samples."""
    done = command("predict", f"run={fast_run}", *SAMPLES)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_endpoint_answers_what_predict_answers(answering: Account, predicted: str) -> None:
    assert answering.deploy().code == 0
    said = answering.endpoint("predict", str(answering.run), *SAMPLES)
    assert (said.code, said.err) == (0, "")
    assert said.out == predicted
    # By its name, from a file, and into a file.
    reviews, labels = answering.run / "reviews.csv", answering.run / "labels.parquet"
    reviews.write_text("review\n" + "\n".join(SAMPLES) + "\n")
    words = (f"input={reviews}", "text=review", f"output={labels}")
    assert answering.endpoint("predict", answering.name, *words).code == 0
    expected = [json.loads(line) for line in predicted.splitlines()]
    assert pq.read_table(labels).to_pylist() == expected


def test_a_queue_answers_the_same_and_keeps_no_texts(answering: Account, predicted: str) -> None:
    assert answering.deploy("kind=async").code == 0
    said = answering.endpoint("predict", str(answering.run), *SAMPLES)
    assert (said.code, said.err) == (0, "")
    assert said.out == predicted
    line = answering.endpoint("predict", str(answering.run), "x" * 100_001).line
    assert "100,001" in line or "100001" in line
    listed = answering.aws.client("s3", REGION).list_objects_v2(
        Bucket=BUCKET, Prefix="imdb_cls/endpoints/"
    )
    assert listed["KeyCount"] == 0


@pytest.mark.parametrize(
    ("body", "content_type", "accept"),
    [
        ('{"inputs": ["good", "bad"], "parameters": {"top_k": null}}', JSON, JSON),
        ('{"inputs": "good", "parameters": {"return_all_scores": true}}', JSON, JSON),
        ('{"inputs": "good", "parameters": {"function_to_apply": "none"}}', JSON, CSV),
        ("inputs\ngood\nbad\n", CSV, CSV),
        ("inputs\ngood\nbad\n", CSV, JSON),
    ],
)
def test_a_program_is_answered_as_by_the_handler_in_the_container(
    answering: Account, body: str, content_type: str, accept: str
) -> None:
    assert answering.deploy().code == 0
    found = answering.aws.client("sagemaker-runtime", REGION).invoke_endpoint(
        EndpointName=answering.name, Body=body, ContentType=content_type, Accept=accept
    )
    model = handler.model_fn(str(answering.run / "model"))
    assert found["Body"].read().decode() == handler.transform_fn(model, body, content_type, accept)
    assert found["ContentType"].partition(";")[0] == accept


def test_what_an_endpoint_refuses_is_one_line(answering: Account) -> None:
    missing = answering.endpoint("predict", str(answering.run), "good").line
    assert "no such endpoint in us-east-1: python -m launch.endpoint deploy" in missing
    assert answering.deploy().code == 0
    refused = answering.endpoint("predict", str(answering.run), "x" * 100_001).line
    assert answering.name in refused
    assert "100,000" in refused
    assert "Received client error" not in refused
    (found,) = answering.aws.endpoints.endpoints.all()
    found.status = "Failed"
    line = answering.endpoint("predict", str(answering.run), "good").line
    assert "is not in service (Failed): python -m launch.endpoint status" in line
    # An error of ours, before anybody is asked.
    assert (
        "no-such.csv: no such file"
        in answering.endpoint("predict", str(answering.run), "input=no-such.csv").line
    )


def test_more_texts_than_one_request_takes_keep_their_order(answering: Account) -> None:
    assert answering.deploy().code == 0
    texts = [f"{word} number {number}" for number in range(100) for word in ("good", "bad")]
    file = answering.run / "many.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    answering.asked.clear()
    together = answering.endpoint("predict", str(answering.run), f"input={file}").out
    assert answering.asked.count("InvokeEndpoint") == 4
    alone = [answering.endpoint("predict", answering.name, text).out for text in texts[98:101]]
    ours, theirs = [json.loads(line) for line in alone], together.splitlines()
    expected = [json.loads(line) for line in theirs[98:101]]
    assert [answer["label"] for answer in ours] == [answer["label"] for answer in expected]
    # torch's last digits depend on a text's neighbours.
    assert [answer["score"] for answer in ours] == pytest.approx(
        [answer["score"] for answer in expected], abs=1e-9
    )
    assert len(set(theirs)) > 100


def test_a_rehearsal_tells_the_whole_story(
    rehearsal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original's: what was trained as a job is deployed, asked and deleted, on this machine."""
    run, temporary = tmp_path / "run", tmp_path / "tmp"
    with_fast(shutil.copytree(rehearsal / "run", run))  # so that its server need not load torch
    temporary.mkdir()
    before = sorted(path.name for path in run.iterdir())
    expected = call("imdb_cls.predict", f"run={run}", *SAMPLES).out
    monkeypatch.setenv("TMPDIR", str(temporary))
    policies = documented("serving.md", rehearse.BUCKET, rehearse.ROLE)
    monkeypatch.setattr(rehearse, "LocalAWS", lambda: GuardedAWS(*policies))
    words = ["rehearse=true", f"image={IMAGE}", "poll_seconds=0.05"]
    done = call("launch.endpoint", "deploy", run, *words)
    assert (done.code, done.err) == (0, "")
    assert [policy.refused for policy in policies] == [[], []]
    said = done.out
    steps = [line.split()[4] for line in said.splitlines() if line.startswith("$ ")]
    assert steps == ["deploy", "predict", "list", "delete"]
    assert len(expected.splitlines()) == len(SAMPLES)
    assert expected in said
    name = names.of_run(Run.open(run))
    assert f"{name}: InService" in said
    assert f"python -m launch.endpoint delete {name}" in said
    assert f"{name} is deleted; nothing of it is left" in said
    assert sorted(path.name for path in run.iterdir()) == before
    assert processes_of(temporary) == []
    assert list(temporary.iterdir()) == []
