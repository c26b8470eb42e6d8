"""launch.jobs clean deletes what nothing needs, when it is told to, and nothing else."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.s3.models import s3_backends

from launch.rehearsal.account import ACCOUNT_ID
from launch.rehearsal.aws import LocalAWS
from tests.support.called import Said, call
from tests.support.doubles import Actor, Door, Submit
from tests.support.local_aws import BUCKET, REGION, Put, make_endpoint_and_batch

OLD = "imdb_cls/inputs/weights/0123456789abcdef/model.safetensors"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


def keys(aws: LocalAWS) -> set[str]:
    found = aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {item["Key"] for item in found}


def age(days: int = 60) -> None:
    """Has everything in the bucket lie there for so long."""
    for key in s3_backends[ACCOUNT_ID]["aws"].buckets[BUCKET].keys.values():
        key.last_modified = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)


def clean(*words: object) -> Said:
    said = call("launch.jobs", "clean", *words)
    assert (said.code, said.err) == (0, "")
    return said


def rows(said: Said) -> dict[str, str]:
    """What is said of each thing, by what it is called below the prefix."""
    lines = [line.split(maxsplit=4) for line in said.out.splitlines() if line.startswith("s3://")]
    found = [line for line in lines if len(line) == 5]  # the title is another one
    return {what.partition("/imdb_cls/")[2]: why.strip() for what, _, _, _, why in found}


@pytest.fixture
def ended(
    unguarded: None, door: Door, submit: Submit, trained: Path, place: Path, put: Put
) -> Path:
    """A run directory whose job is over and fetched; what lies in S3 is two months old."""
    actor = Actor(door.aws, trained)
    actor.may_end.set()
    door.aws.training.runner = actor.run
    assert submit("backend.wait=true").code == 0
    put(OLD, "weights")
    put("imdb_cls/mine/notes.txt", "mine")
    put("elsewhere/notes.txt", "mine")
    age()
    return place / "run"


def test_it_says_what_nothing_needs_and_touches_nothing(
    door: Door, ended: Path, place: Path
) -> None:
    before = keys(door.aws)
    said = clean(place)
    why = rows(said)
    (job,) = (what for what in why if what.startswith("jobs/"))
    assert (why[job], why["mine"]) == ("nothing needs it", "not from here")
    inputs = {text for what, text in why.items() if what.startswith("inputs/")}
    assert inputs == {"nothing needs it"}
    assert "--yes deletes them" in said.out
    assert keys(door.aws) == before


def test_it_deletes_that_and_nothing_else(door: Door, ended: Path, place: Path) -> None:
    said = clean(place, "--yes")
    assert keys(door.aws) == {"imdb_cls/mine/notes.txt", "elsewhere/notes.txt"}
    assert "deleted" in said.out


def test_a_job_stays_whose_run_directory_is_elsewhere_or_not_whole(
    door: Door, ended: Path, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (job,) = (what for what in rows(clean(place)) if what.startswith("jobs/"))
    assert rows(clean(elsewhere))[job] == "its run directory is not here"
    weights = ended / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert rows(clean(place))[job] == "its run is not complete"
    clean(place, "--yes")
    assert any(key.startswith(f"imdb_cls/{job}/") for key in keys(door.aws))


def test_what_a_live_job_reads_and_writes_stays(
    unguarded: None, door: Door, submit: Submit, place: Path, put: Put
) -> None:
    assert submit("backend.wait=false").code == 0
    put(OLD, "weights")
    (name,) = door.jobs
    put(f"imdb_cls/jobs/{name}/checkpoints/run/last.ckpt", "last")
    age()
    before = keys(door.aws)
    why = rows(clean(place))
    assert why.pop("inputs/weights/0123456789abcdef") == "nothing needs it"
    assert set(why.values()) == {"in use"}
    clean(place, "--yes")
    assert before - keys(door.aws) == {OLD}


def test_what_an_endpoint_and_a_batch_need_stays(
    unguarded: None, door: Door, place: Path, put: Put
) -> None:
    put("imdb_cls/inputs/model/0123456789abcdef/model.tar.gz", "archive")
    put("imdb_cls/endpoints/ours/captured/1", "captured")
    put("imdb_cls/endpoints/gone/captured/1", "captured")
    make_endpoint_and_batch(
        door.aws, f"s3://{BUCKET}/imdb_cls/inputs/model/0123456789abcdef/model.tar.gz"
    )
    age()
    why = rows(clean(place))
    assert why["inputs/model/0123456789abcdef"] == why["endpoints/ours"] == "in use"
    assert why["endpoints/gone"] == "nothing needs it"


def test_what_changed_lately_stays(unguarded: None, door: Door, place: Path, put: Put) -> None:
    put(OLD, "weights")
    age(20)
    assert rows(clean(place))["inputs/weights/0123456789abcdef"] == "changed lately"
    assert rows(clean(place, "days=10"))["inputs/weights/0123456789abcdef"] == "nothing needs it"


def test_a_damaged_record_stops_it(door: Door, ended: Path, place: Path) -> None:
    (ended / "run.json").write_text("{")
    before = keys(door.aws)
    assert "run.json" in call("launch.jobs", "clean", place, "--yes").line
    assert keys(door.aws) == before


def test_a_place_that_is_none_is_refused(unguarded: None, door: Door, place: Path) -> None:
    shutil.rmtree(place / "nowhere", ignore_errors=True)
    assert "nowhere" in call("launch.jobs", "clean", place / "nowhere").line
