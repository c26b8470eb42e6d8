"""A file that is damaged, missing or of another run is never read as if it were the run's own."""

import shutil
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs import seals
from imdb_cls.runs.run import Run
from tests.support.called import call
from tests.support.damage import DAMAGES
from tests.support.once import once
from tests.support.runs import read, resealed, unsealed

TEXT = "i liked the movie"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture(scope="module")
def other(shared: Path, tiny: list[str]) -> Path:
    """A run of the same shape and another seed."""

    def make(path: Path) -> None:
        assert call("imdb_cls.train", *tiny, "seed=7", f"hydra.run.dir={path}/run").code == 0

    return once(shared, "other", make) / "run"


def test_a_completed_run_has_the_hashes_of_all_that_it_came_to(trained: Path) -> None:
    assert read(trained, "run.json")["sha256"] == seals.hashes(
        trained, [seals.CONFIG, *seals.RESULTS]
    )
    assert set(read(trained, "run.json")["sha256"]) == {seals.CONFIG, *seals.RESULTS}
    beside = {path.name for path in (trained / "model").iterdir()} - {"inference.json"}
    assert set(read(trained / "model", "inference.json")["sha256"]) == beside


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, ("predict", TEXT)) for name in ("run.json", "config.yaml")),
        *((f"model/{name}", ("predict", TEXT)) for name in ("inference.json", "model.safetensors")),
        ("model/model.safetensors", ("evaluate",)),
        *((name, ("export",)) for name in ("metrics.json", "predictions_val.parquet")),
    ],
)
@pytest.mark.parametrize("damage", ["foreign", "missing"])
def test_no_command_takes_it_for_the_runs_own(
    run: Path, other: Path, name: str, words: tuple[str, ...], damage: str
) -> None:
    if damage == "foreign":
        shutil.copy(other / name, run / name)
    else:
        (run / name).unlink()
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    line = call(f"imdb_cls.{words[0]}", f"run={run}", *words[1:]).line
    assert Path(name).name in line or "config.yaml" in line
    after = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_a_command_does_not_need_is_not_looked_at(run: Path, damage: str) -> None:
    for name in ("metrics.json", "metrics.csv", "predictions.parquet", "predictions_val.parquet"):
        DAMAGES[damage](run / name)
    assert call("imdb_cls.predict", f"run={run}", TEXT).code == 0


def test_a_killed_export_leaves_nothing_that_looks_damaged(run: Path) -> None:
    known = dict(Run(run).info().sha256 or {})
    with Run(run).rewriting(Run(run).metrics_file):
        (run / "metrics.json").write_text((run / "metrics.json").read_text() + "\n")
        # Nothing more is written if it is killed here.
        assert Run(run).metrics()
    assert Run(run).metrics()
    now = dict(Run(run).info().sha256 or {})
    assert [name for name in known if now[name] != known[name]] == ["metrics.json"]


def test_what_is_damaged_is_not_sealed(run: Path) -> None:
    DAMAGES["flipped"](run / "metrics.json")
    with (
        pytest.raises(UserError, match=r"metrics\.json is damaged"),
        Run(run).rewriting(Run(run).metrics_file),
    ):
        pytest.fail("it began")


def test_a_run_of_an_older_version_says_that_it_is_not_calibrated(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from imdb_cls.model.open import settings_of

    (run / "model" / "inference.json").unlink()
    with pytest.raises(UserError, match=r"inference\.json: no such file"):
        settings_of(Run(run))
    # Its metrics.json has a temperature: it cannot be older than calibration.
    with pytest.raises(UserError, match=r"no inference\.json"):
        settings_of(Run(unsealed(run)))
    assert capsys.readouterr().err == ""


def test_the_remedy_of_a_job_is_to_fetch_it(run: Path) -> None:
    (run / "metrics.json").unlink()
    with pytest.raises(UserError, match=rf"python -m imdb_cls.train resume={run} makes it again"):
        Run(run).metrics()
    Run(run).record(job_name="imdb-cls-1")
    with pytest.raises(UserError, match=rf"python -m launch.jobs fetch {run} brings it again"):
        Run(run).metrics()


def test_another_hash_is_right_once_it_is_known(run: Path) -> None:
    (run / "metrics.csv").write_text("step,epoch,name,value,time\n")
    with pytest.raises(UserError, match="of another run"):
        Run(run).whole(run / "metrics.csv")
    assert Run(resealed(run)).whole(run / "metrics.csv") == run / "metrics.csv"
