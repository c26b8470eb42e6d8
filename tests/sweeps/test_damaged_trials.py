"""A trial whose files are damaged is no result: it is shown as damaged, or made again."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.called import call
from tests.support.damage import DAMAGES
from tests.support.once import once
from tests.support.runs import metrics_of
from tests.support.sweeps import begun, statuses


@pytest.fixture
def sweep(shared: Path, tiny: list[str], tmp_path: Path) -> Path:
    """A copy of a finished sweep of two seeds."""

    def make(path: Path) -> None:
        words = ["-m", *tiny, "seed=1,2", f"hydra.sweep.dir={path}/sweep"]
        assert call("imdb_cls.train", *words).code == 0

    return shutil.copytree(once(shared, "two-seeds", make) / "sweep", tmp_path / "sweep")


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "metrics.json", "metrics.csv"])
def test_the_leaderboard_says_so_and_ends_with_1(sweep: Path, name: str) -> None:
    DAMAGES["truncated"](sweep / "1" / name)
    done = call("imdb_cls.sweep", sweep)
    assert (done.code, done.err) == (1, "")
    assert "1 completed, 1 damaged" in done.out
    assert f"trial 1 damaged: {sweep / '1' / name} is damaged" in done.out
    assert "±" not in done.out
    page = (sweep / "sweep.html").read_text(encoding="utf-8")
    assert f"trial 1 damaged: {sweep / '1' / name} is damaged" in page
    assert "damaged" in (sweep / "sweep.csv").read_text()


@pytest.mark.parametrize("name", ["metrics.json", "metrics.csv"])
def test_the_same_command_makes_its_results_again(sweep: Path, tiny: list[str], name: str) -> None:
    before = [metrics_of(sweep / number) for number in "01"]
    DAMAGES["flipped"](sweep / "1" / name)
    done = call("imdb_cls.train", "-m", *tiny, "seed=1,2", f"hydra.sweep.dir={sweep}")
    assert done.code == 0
    assert f"trial 1: {sweep / '1' / name} is damaged" in done.err
    assert [metrics_of(sweep / number) for number in "01"] == before
    assert statuses(sweep) == {"0": "completed", "1": "completed"}
    assert [begun(sweep, number) for number in "01"] == [1, 2]


@pytest.mark.parametrize("name", ["run.json", "config.yaml"])
def test_what_nobody_can_tell_moves_aside_and_runs_again(
    sweep: Path, tiny: list[str], name: str
) -> None:
    before = metrics_of(sweep / "1")
    DAMAGES["flipped"](sweep / "1" / name)
    done = call("imdb_cls.train", "-m", *tiny, "seed=1,2", f"hydra.sweep.dir={sweep}")
    assert done.code == 0
    assert f"it is now {sweep / 'damaged' / '1'}" in done.err
    assert (sweep / "damaged" / "1" / "metrics.json").is_file()
    assert metrics_of(sweep / "1") == before
    assert call("imdb_cls.sweep", sweep).code == 0


def test_a_foreign_result_is_none(sweep: Path) -> None:
    shutil.copy(sweep / "0" / "metrics.json", sweep / "1" / "metrics.json")
    done = call("imdb_cls.sweep", sweep)
    assert done.code == 1
    assert "1 completed, 1 damaged" in done.out
    assert json.loads((sweep / "1" / "run.json").read_text())["status"] == "completed"
