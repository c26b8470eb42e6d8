"""What a sweep may cost: trials times the ceiling of one, within backend.max_cost."""

import json
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs.fingerprint import code
from imdb_cls.runs.sweep import Sweep
from launch.aws.instances import instance_of
from launch.sweeps import budget
from launch.training.plan import affordable_seconds, ceiling
from tests.support.local_aws import parsed


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path / "sweep")


def run_in(sweep: Sweep, name: str, status: str, job: dict[str, Any], **info: Any) -> None:
    path = sweep.path / name
    path.mkdir(parents=True)
    known = {"status": status, "overrides": [], "code": code(), "job_name": "job", "job": job}
    (path / "run.json").write_text(json.dumps({**known, **info}))


def of(sweep: Sweep, total: int, *overrides: str) -> budget.Budget:
    backend = parsed("backend.instance_type=ml.g5.xlarge", *overrides).backend
    assert backend is not None
    return budget.of(backend, sweep, total)


def test_without_a_limit_the_price_is_trials_times_the_ceiling(sweep: Sweep) -> None:
    found = of(sweep, 6, "backend.max_seconds=3600")
    assert found.line == "6 trials x $1.41 = at most $8.45"
    assert found.each is None


def test_a_limit_is_shared_out(sweep: Sweep) -> None:
    found = of(sweep, 4, "backend.max_cost=4")
    assert found.each == 1.0
    assert "4 trials x $1.00 = at most $4.00 of backend.max_cost=$4, 2,556 s each" in found.line


def test_the_share_of_a_trial_never_adds_up_to_more_than_the_limit(sweep: Sweep) -> None:
    for total in (2, 3, 5, 7):
        found = of(sweep, total, "backend.max_cost=5")
        backend = parsed("backend.instance_type=ml.g5.xlarge", f"backend.max_cost={found.each}")
        assert backend.backend is not None
        instance = instance_of(backend.backend)
        one = ceiling(backend.backend, instance, affordable_seconds(backend.backend, instance))
        assert one is not None
        assert total * one <= 5


def test_what_was_spent_and_what_running_jobs_may_spend_is_taken_off(sweep: Sweep) -> None:
    run_in(sweep, "0", "completed", {"cost_usd": 0.5})
    run_in(sweep, "1", "running", {"ceiling_usd": 1.0})
    retried = [{"cost_usd": 0.25}, {"cost_usd": 0.05}]
    run_in(sweep, "2", "failed", {"cost_usd": 0.2}, previous_jobs=retried)
    found = of(sweep, 4, "backend.max_cost=4")
    # Trials 2 and 3 are left for 4 - 0.5 - 1 - 0.2 - 0.3 dollars.
    assert found.each == 1.0
    assert found.line.startswith("2 trials x $1.00")
    assert "(2 have ended or are at work, $2.00)" in found.line


def test_a_rehearsal_costs_nothing_and_other_code_is_another_trial(sweep: Sweep) -> None:
    run_in(sweep, "0", "completed", {"cost_usd": 0.5}, rehearsal=True)
    run_in(sweep, "1", "completed", {"cost_usd": 0.5}, code="another")
    found = of(sweep, 3, "backend.max_cost=4.5")
    assert found.each == 2.0
    assert found.line.startswith("2 trials x $2.00")
    assert "(1 have ended or are at work, $0.50)" in found.line


def test_a_limit_that_is_used_up_is_said_so(sweep: Sweep) -> None:
    run_in(sweep, "0", "completed", {"cost_usd": 2.0})
    with pytest.raises(UserError, match=r"\$2.00 of it are spent or promised, and 1 trials"):
        of(sweep, 2, "backend.max_cost=2")
    assert of(sweep, 1, "backend.max_cost=2").line.startswith("nothing more to pay")


def test_a_limit_that_pays_for_too_little_says_how_much_is_needed(sweep: Sweep) -> None:
    with pytest.raises(UserError, match=r"each of 10 jobs: allow at least \$2.35 \(600 s\)"):
        of(sweep, 10, "backend.max_cost=1")
