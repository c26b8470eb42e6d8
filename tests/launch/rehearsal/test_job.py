"""A spot job on two hosts of an account, interrupted, and followed by another process than the one
that submitted it: what it trains, where its metrics arrive, and that no secret of the user's does.
A local AWS stands for the account."""

import csv
import json
import math
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from imdb_cls.names import LOGGED
from launch.rehearsal.host import Host
from tests.support.local_aws import BUCKET, REGION, ROLE
from tests.support.once import once
from tests.support.planted import PLANTED, contents, leaks
from tests.support.runs import FILES, Train, files_of, read, rows, values
from tests.support.two_hosts import HOSTS, KEY, SAME, Recording, carry_out, checkout, keep


@pytest.fixture(scope="session")
def job(shared: Path, tiny: list[str]) -> Path:
    """A job that was submitted, left with Ctrl-C and attached to again. run/ is its run directory,
    home/ and here/ are the user's, aws/ holds what arrived at AWS, seen.json what was said."""
    if not shutil.which("git"):
        pytest.skip("git is not installed: the code is taken from a checkout")

    def make(path: Path) -> None:
        for name in ("home", "here", "host", "checkout", "aws"):
            (path / name).mkdir()
        checkout(path / "checkout")
        with Recording() as aws:
            aws.provide(REGION, BUCKET, ROLE)
            aws.training.runner = Host(path / "host", aws, interrupt_at=4).run
            seen = carry_out(path, aws, tiny)
            assert aws.roles
            assert aws.users
            seen["refused"] = [str(need) for need in aws.roles.refused + aws.users.refused]
            aws.roles = None
            keep(path / "aws", aws, seen["name"])
        (path / "seen.json").write_text(json.dumps(seen))

    return once(shared, "job", make)


def arrived(job: Path, namespace: str) -> list[tuple[dict[str, str], str, float]]:
    """The metrics in a namespace: dimensions, name and value."""
    kept = read(job / "aws", "kept.json")["metrics"]
    return [(dimensions, name, v) for space, dimensions, name, v in kept if space == namespace]


def printed(job: Path) -> list[tuple[str, float]]:
    """The values in the job's own logs, as anybody would read them."""
    logs = read(job / "aws", "kept.json")["logs"]
    lines = [line.split() for log in logs for line in log if line.startswith("step=")]
    pairs = [word.split("=") for words in lines for word in words[2:]]
    return [(name, float(value)) for name, value in pairs]


def test_every_printed_value_is_in_cloudwatch_once(job: Path) -> None:
    found = arrived(job, "/aws/sagemaker/TrainingJobs")
    assert {json.dumps(d) for d, _, _ in found} == {
        json.dumps({"TrainingJobName": read(job, "seen.json")["name"]})
    }
    assert Counter((name, value) for _, name, value in found) == Counter(printed(job))
    assert {name for name, _ in printed(job)} == set(LOGGED)


def test_the_names_and_values_are_those_of_metrics_csv(job: Path) -> None:
    table = [(row["name"], float(row["value"])) for row in rows(job / "run")]
    assert Counter(printed(job)) == Counter(table)


def test_the_logger_puts_them_into_a_namespace_of_ours_too(job: Path) -> None:
    found = arrived(job, "imdb_cls")
    dimensions = {"Run": f"{job.name}/run", "Job": read(job, "seen.json")["name"]}
    assert all(d == dimensions for d, _, _ in found)
    assert Counter((name, value) for _, name, value in found) == Counter(printed(job))


def test_the_metrics_are_read_back_into_a_table_and_a_csv(job: Path) -> None:
    with (job / "run" / "cloudwatch.csv").open(newline="") as file:
        read_back = list(csv.DictReader(file))
    table = read(job, "seen.json")["metrics"]
    for name in LOGGED:
        theirs = [value for n, value in printed(job) if n == name]
        ours = [row for row in read_back if row["name"] == name]
        # A second may hold several values: their mean and number.
        assert sum(int(row["samples"]) for row in ours) == len(theirs)
        total = sum(int(row["samples"]) * float(row["value"]) for row in ours)
        assert total == pytest.approx(sum(theirs), rel=1e-12)
        assert all(float(r["value"]) in theirs for r in ours if r["samples"] == "1")
        assert any(line.split()[:2] == [name, str(len(theirs))] for line in table.splitlines())
    assert [row["time"] for row in read_back if row["name"] == "train/loss"] == sorted(
        row["time"] for row in read_back if row["name"] == "train/loss"
    )


def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on(job: Path) -> None:
    seen = read(job, "seen.json")
    assert (seen["code"], seen["stopped"]) == (130, False)
    assert f"Follow it: python -m launch.jobs attach {job}/run" in seen["submitted"]
    assert f"Stop it: python -m launch.jobs stop {job}/run" in seen["submitted"]
    assert "Traceback" not in seen["submitted"]


def test_two_hosts_that_are_interrupted_train_what_one_machine_does(
    job: Path, train_here: Train
) -> None:
    logs = read(job / "aws", "kept.json")["logs"]
    for log in logs:
        assert log.count("Starting training script") == 2
    (step,) = re.findall(r"going on after step (\d+)", "\n".join(logs[0]))
    assert 4 <= int(step) < 26
    ours, theirs = values(job / "run"), values(train_here(*SAME))
    assert [row[:3] for row in ours] == [row[:3] for row in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert math.isclose(float(a[3]), float(b[3]), rel_tol=1e-4), (a, b)
    assert read(job / "run", "run.json")["job"]["instance_count"] == 2


def test_attach_shows_the_whole_log_of_each_host_and_completes_the_run(job: Path) -> None:
    shown = read(job, "seen.json")["attach"].splitlines()
    for host, log in zip(HOSTS, read(job / "aws", "kept.json")["logs"], strict=True):
        ours = [line.removeprefix(f"[{host}] ") for line in shown if line.startswith(f"[{host}]")]
        assert [line.rstrip() for line in ours] == [line.rstrip() for line in log]
        assert "Starting training script" in log
    assert files_of(job / "run") == FILES | {"cloudwatch.csv"}
    record = read(job / "run", "run.json")
    assert (record["status"], record["job"]["status"]) == ("completed", "Completed")
    assert "rehearsal" not in record or record["rehearsal"] is False


def test_an_offline_wandb_run_comes_back_to_where_it_would_be(job: Path) -> None:
    found = sorted(path.name for path in (job / "here" / "wandb").glob("offline-run-*"))
    assert len(found) == 2  # before the interruption, and after it
    for name in found:
        assert name.endswith(read(job / "run", "run.json")["logger_id"])
        assert list((job / "here" / "wandb" / name).glob("*.wandb"))
    assert (
        f"wandb sync {' '.join(f'wandb/{name}' for name in found)}\n"
        in read(job, "seen.json")["attach"]
    )


def test_the_documented_policies_are_enough(job: Path) -> None:
    assert read(job, "seen.json")["refused"] == []


def test_planted_secrets_are_nowhere(job: Path) -> None:
    kept, seen = job / "aws", read(job, "seen.json")
    # They would be found: the archives are unpacked, requests and log are here.
    assert list(kept.glob("s3/imdb_cls/jobs/*/output/output.tar.gz.d/run/train.log"))
    requests = b"".join(path.read_bytes() for path in kept.glob("request-*"))
    assert b"TrainingJobName" in requests
    assert b"AKIAPLANTEDPLANTED00" in requests  # who signed them, in the header
    said = {name: str(text).encode() for name, text in seen.items()}
    assert leaks({**contents(kept), **contents(job / "run"), **said}) == []
    here = contents(job / "here")
    assert leaks(here) == [(str(job / "here" / ".env"), "planted-dotenv")]
    names = {path.name for path in (kept / "s3").rglob("*")}
    assert not names & {".env", ".netrc", "private.yaml", "private.py", *PLANTED}
    assert "conf/private.yaml" in seen["submitted"].split("not tracked by git")[1]


def test_a_named_key_is_in_secrets_manager_only(job: Path) -> None:
    holders = [path for path, text in contents(job / "aws").items() if KEY.encode() in text]
    for path in holders:
        assert "HTTP_X_AMZ_TARGET: secretsmanager." in Path(path).read_text()
    assert [p for p, text in contents(job / "run").items() if KEY.encode() in text] == []
    assert KEY not in json.dumps(read(job, "seen.json"))
