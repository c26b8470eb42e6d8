"""What exactly ran? Command, config, data, weights, versions, seconds, cost, and how to use it."""

import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from imdb_cls.reports.configs import from_defaults
from imdb_cls.reports.page import Cell, Column, Content, Line, duration, percent
from imdb_cls.reports.run.facts import Facts
from imdb_cls.runs.info import Resolved, RunInfo
from imdb_cls.runs.overrides import shown


@dataclass(frozen=True)
class Provenance:
    command: str
    facts: list[tuple[str, str]]
    """Names and values, in the order of a reader's questions."""
    parts: Content | None
    """Seconds."""
    versions: list[tuple[str, str]]
    differences: Content | None
    config: str
    """YAML."""
    fast: str
    use: list[tuple[str, str]]
    """What for, and the command."""


def provenance(facts: Facts) -> Provenance:
    info = facts.info
    return Provenance(
        command=str(info.command or ""),
        facts=[(name, value) for name, value in _facts(facts) if value],
        parts=_parts(info.parts or {}),
        versions=list(info.versions.items()),
        differences=_differences(facts.config),
        config=yaml.safe_dump(facts.config, sort_keys=False),
        fast=fast(facts),
        use=_use(facts),
    )


def _facts(facts: Facts) -> list[tuple[str, str]]:
    info, resolved = facts.info, facts.info.resolved
    return [
        *(_resolved(resolved) if resolved else []),
        ("device", info.device or ""),
        ("precision of training", info.precision or ""),
        ("seed", "" if info.seed is None else str(info.seed)),
        ("started", _time(info.started)),
        ("finished", _time(info.finished)),
        ("took", duration(info.seconds) if info.seconds else ""),
        *_job(info),
        ("cost", cost(info)),
        ("sweep", info.sweep or ""),
        ("git commit", info.git_commit or ""),
        ("digest of the code", info.code or ""),
        ("fingerprint of the run", info.fingerprint or ""),
    ]


def _resolved(resolved: Resolved) -> list[tuple[str, str]]:
    reviews = ", ".join(f"{n:,} {name}" for name, n in (resolved.sizes or {}).items())
    stand_in = " (stand-ins: the Hub was not reached)" if resolved.fallback else ""
    return [
        ("reviews", f"{resolved.data}{stand_in}: {reviews}"),
        ("data revision", resolved.data_revision or ""),
        ("data fingerprint", resolved.data_fingerprint),
        ("duplicates removed", str(resolved.duplicates_removed)),
        ("weights", resolved.model),
        ("weights revision", resolved.revision or ""),
        ("SHA-256 of the weights", resolved.weights_sha256),
    ]


def _job(info: RunInfo) -> list[tuple[str, str]]:
    found = [("backend", info.backend or "local"), ("job", info.job_name or "")]
    if job := info.job:
        billed, price = job.seconds_billed, job.price_per_hour
        found += [
            ("instance", job.instance_type),
            ("billed", duration(billed) if billed is not None else ""),
            ("price", f"${price:g} an hour" if price is not None else ""),
        ]
    return found


def cost(info: RunInfo) -> str:
    """What was paid; empty for a run on this machine, and if nobody knows."""
    if info.rehearsal:
        return "nothing: a rehearsal, not paid"
    return "" if info.cost_usd is None else f"${info.cost_usd:.2f}"


def _time(moment: str | None) -> str:
    return (moment or "").replace("T", " ").replace("+00:00", " UTC")


def _parts(seconds: dict[str, float]) -> Content | None:
    if not seconds:
        return None
    rows = [Line([Cell(name), Cell(duration(value))]) for name, value in seconds.items()]
    return Content([Column("part", "words"), Column("took")], rows)


def _differences(config: dict[str, Any]) -> Content | None:
    rows = [
        Line([Cell(key), Cell(shown(value)), Cell(shown(default))])
        for key, value, default in from_defaults(config)
    ]
    columns = [Column("key", "words"), Column("this run", "words"), Column("default", "words")]
    return Content(columns, rows) if rows else None


def fast(facts: Facts) -> str:
    """What is lost with the model for CPUs, in a sentence."""
    known = facts.metrics.get("fast")
    if not known:
        return "No fast model for CPUs was exported."
    if not known.get("kind"):
        best = max((known.get("tried") or {"": 0.0}).values())
        why = f"the best that was tried gives {percent(best)} of val's labels"
        return f"There is no fast model for CPUs: {why} as the trained network does, too few."
    said = (
        f"model/{known['file']} ({known['kind']}) is what predict and serve run on a CPU."
        f" {percent(known['val_agreement'])} of its labels on {known['val_samples']:,} val reviews"
        " are those of the trained network"
    )
    if "val_accuracy" in known and "val_accuracy_of_trained" in known:
        ours, theirs = known["val_accuracy"], known["val_accuracy_of_trained"]
        said += f"; {percent(ours)} are right, of the trained one's {percent(theirs)}"
    if "difference_mean" in known and "difference_max" in known:
        mean, most = known["difference_mean"], known["difference_max"]
        said += f"; its probabilities differ by {mean:.3f} on average, {most:.3f} at most"
    return f"{said}."


def _use(facts: Facts) -> list[tuple[str, str]]:
    path = shlex.quote(str(facts.run.path.absolute()))
    if facts.status != "completed":
        return [("go on with it", facts.run.how_to_go_on())]
    return [
        ("label reviews", f'python -m imdb_cls.predict run={path} "i liked the movie"'),
        ("test it on other reviews", f"python -m imdb_cls.evaluate run={path} input=reviews.csv"),
        ("serve it here", f"python -m launch.endpoint serve {path}"),
        ("deploy it on SageMaker", f"python -m launch.endpoint deploy {path}"),
        ("make this page again", f"python -m imdb_cls.report {path}"),
    ]
