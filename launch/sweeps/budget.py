"""What the jobs of a sweep may cost, decided before the first one is sent."""

from dataclasses import dataclass, replace

from imdb_cls.config import BackendConfig
from imdb_cls.errors import UserError
from imdb_cls.runs.fingerprint import code
from imdb_cls.runs.sweep import Sweep
from launch.aws.instances import dearest, instances_of
from launch.training import plan


@dataclass(frozen=True)
class Budget:
    each: float | None
    """USD that one trial may cost: its backend.max_cost."""
    line: str
    """What is shown: how many trials are still to be paid for, and what the others may cost."""


def of(backend: BackendConfig, sweep: Sweep, total: int) -> Budget:
    """Raises UserError if backend.max_cost does not pay for the trials."""
    instance = dearest(instances_of(backend))
    done, committed = _so_far(sweep)
    trials = max(total - done, 0)
    whole = "" if not done else f" ({done} have ended or are at work, ${committed:.2f})"
    if backend.max_cost is None:
        most = plan.ceiling(backend, instance, backend.max_seconds)
        if most is None:
            return Budget(None, f"{trials} trials at an unknown price{whole}")
        paid = f"{trials} trials x ${most:.2f} = at most ${trials * most:.2f}"
        return Budget(None, paid + whole)
    if trials == 0:
        return Budget(backend.max_cost, f"nothing more to pay{whole}")
    left = backend.max_cost - committed
    if left <= 0:
        raise UserError(
            f"backend.max_cost={backend.max_cost:g}: ${committed:.2f} of it are spent or promised,"
            f" and {trials} trials are left: allow more"
        )
    seconds = plan.affordable_seconds(replace(backend, max_cost=left), instance, trials)
    most = plan.ceiling(backend, instance, seconds) or 0.0
    return Budget(
        left / trials,
        f"{trials} trials x ${most:.2f} = at most ${trials * most:.2f} of backend.max_cost="
        f"${backend.max_cost:g}, {seconds:,} s each{whole}",
    )


def _so_far(sweep: Sweep) -> tuple[int, float]:
    """How many trials need no new job, and the USD that the sweep's jobs cost or may cost."""
    done, committed = 0, 0.0
    for _, info in sweep.runs():
        live = info.is_live_job
        done += (info.status == "completed" or live) and info.code == code()
        committed += info.cost_usd or 0.0
        if live and info.job:
            committed += info.job.ceiling_usd or 0.0
    return done, committed
