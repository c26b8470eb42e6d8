"""An archive or a key that is damaged, or leads elsewhere, writes nothing outside of its run."""

import tarfile
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from launch.rehearsal.aws import LocalAWS
from launch.rehearsal.training_jobs import TrainingJob
from tests.support.fetched import CHECKPOINTS, OUTPUT, Put, archive, fetched, files, link, recorded
from tests.support.local_aws import BUCKET, REGION, completed


@pytest.mark.parametrize("name", ["model", "output"])
@pytest.mark.parametrize(
    "member",
    [
        "../../escaped",
        "run/../../../escaped",
        link("inside", "/etc/passwd"),
        link("inside", "../../../secret"),
        link("inside", "../../../secret", tarfile.LNKTYPE),
        link("device", "", tarfile.CHRTYPE),
        link("pipe", "", tarfile.FIFOTYPE),
    ],
    ids=["up", "up from inside", "link to a path", "link up", "hard link up", "device", "pipe"],
)
def test_an_archive_that_leads_outside_is_refused(
    run: Run, job: TrainingJob, put: Put, member: str | tarfile.TarInfo, name: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    put(f"{OUTPUT}/{name}.tar.gz", archive("run/first", member, "run/last"))
    completed(job)
    before = files(tmp_path)
    with pytest.raises(UserError) as error:
        fetched(run)
    line = str(error.value)
    assert len(line.splitlines()) == 1
    assert line.startswith(f"{name}.tar.gz is refused")
    assert files(tmp_path) == before
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_link_that_a_later_file_goes_through_is_refused(
    run: Run, job: TrainingJob, put: Put, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    put(f"{OUTPUT}/model.tar.gz", archive(link("d", str(tmp_path / "elsewhere")), "d/file"))
    completed(job)
    with pytest.raises(UserError, match=r"model\.tar\.gz is refused"):
        fetched(run)
    assert files(tmp_path / "elsewhere") == set()


def test_an_absolute_path_stays_inside(
    run: Run, job: TrainingJob, put: Put, tmp_path: Path
) -> None:
    outside = tmp_path / "escaped"
    put(f"{OUTPUT}/model.tar.gz", archive(str(outside)))
    completed(job)
    fetched(run)
    assert not outside.exists()
    assert files(run.model_dir) == {str(outside).lstrip("/")}


@pytest.mark.parametrize("how", ["cut off", "changed", "no archive", "empty"])
def test_a_damaged_archive_is_one_line_and_changes_nothing(
    run: Run, job: TrainingJob, put: Put, how: str
) -> None:
    whole = archive(*(f"file-{i}" for i in range(200)))
    middle = len(whole) // 2
    damaged = {
        "cut off": whole[:middle],
        "changed": whole[:middle] + bytes(50) + whole[middle + 50 :],
        "no archive": b"<html>",
        "empty": b"",
    }[how]
    put(f"{OUTPUT}/model.tar.gz", damaged)
    put(f"{CHECKPOINTS}/run/metrics.csv", "step")
    completed(job)
    before = recorded(run)
    with pytest.raises(UserError) as error:
        fetched(run)
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).startswith("model.tar.gz is damaged")
    assert files(run.path) == {"config.yaml", "run.json"}
    assert recorded(run) == before
    # And once it is whole, the next fetch mends everything.
    put(f"{OUTPUT}/model.tar.gz", whole)
    assert len(files(fetched(run).model_dir)) == 200


@pytest.mark.parametrize(
    "key",
    [
        *("run/../../escaped", "../escaped", "run/a/../../../escaped", "/etc/escaped"),
        *("run/.hidden", "run/.git/config", "run/a/.env", ".env", "other/file"),
    ],
)
def test_keys_of_other_kinds_are_left_where_they_are(
    aws: LocalAWS, run: Run, job: TrainingJob, put: Put, key: str, tmp_path: Path
) -> None:
    put(f"{CHECKPOINTS}/{key}", "x")
    listed = aws.client("s3", REGION).list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [item["Key"] for item in listed] == [f"{CHECKPOINTS}/{key}"]
    put(f"{CHECKPOINTS}/run/checkpoints/last.ckpt", "last")
    completed(job)
    before = files(tmp_path)
    fetched(run)
    assert files(tmp_path) - before == {"runs/run/checkpoints/last.ckpt"}
