"""All kinds, in the order of the table."""

from itertools import islice

from torture import damaged, disks, kills, lost, overrides, requests, reviews, strangers
from torture.cases import Kind
from torture.lab import Lab

# Kills go on for ever: where one of them is asked for by its name, it is among the first.
_FIRST = 500


def every(lab: Lab, killed: int, cases: int, only: str = "") -> list[Kind]:
    """
    Args:
        killed: trainings that are killed.
        cases: damaged files; of overrides and requests half as many.
        only: a text in the names of what is tried.
    """
    kinds = [
        *kills.kinds(lab, killed),
        *disks.kinds(lab, max(1, cases // 15)),
        *damaged.kinds(lab, cases),
        *reviews.kinds(lab),
        *overrides.kinds(lab, cases // 2),
        *requests.kinds(lab, cases // 2),
        *strangers.kinds(lab),
        *lost.kinds(lab),
    ]
    return [kind for kind in kinds if only in kind.name or _chosen(kind, only)]


def _chosen(kind: Kind, only: str) -> bool:
    """Leaves what is named in a kind. Gives whether there is any."""
    found = [case for case in islice(kind.cases, _FIRST) if only in case.name]
    found = [case for case in found if case.name == only] or found
    kind.cases = iter(found)
    return bool(found)
