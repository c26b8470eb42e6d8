"""What exactly ran? Command, config, data, weights, versions, seconds, cost, and how to use it."""

import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from imdb_cls.reports.configs import from_defaults
from imdb_cls.reports.page import Cell, Column, Content, Line, duration, percent
from imdb_cls.reports.run.facts import Facts
from imdb_cls.runs.overrides import shown
from imdb_cls.runs.records import cost_of


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
        command=str(info.get("command") or ""),
        facts=[(name, value) for name, value in _facts(facts) if value],
        parts=_parts(info.get("parts") or {}),
        versions=list((info.get("versions") or {}).items()),
        differences=_differences(facts.config),
        config=yaml.safe_dump(facts.config, sort_keys=False),
        fast=fast(facts),
        use=_use(facts),
    )


def _facts(facts: Facts) -> list[tuple[str, str]]:
    info, resolved = facts.info, facts.info.get("resolved") or {}
    sizes = resolved.get("sizes") or {}
    reviews = ", ".join(f"{n:,} {name}" for name, n in sizes.items())
    stand_in = " (stand-ins: the Hub was not reached)" if resolved.get("fallback") else ""
    return [
        ("reviews", f"{resolved['data']}{stand_in}: {reviews}" if resolved else ""),
        ("data revision", resolved.get("data_revision") or ""),
        ("data fingerprint", resolved.get("data_fingerprint") or ""),
        ("duplicates removed", f"{resolved.get('duplicates_removed', '')}"),
        ("weights", resolved.get("model") or ""),
        ("weights revision", resolved.get("revision") or ""),
        ("SHA-256 of the weights", resolved.get("weights_sha256") or ""),
        ("device", info.get("device") or ""),
        ("precision of training", info.get("precision") or ""),
        ("seed", f"{info.get('seed', '')}"),
        ("started", _time(info.get("started"))),
        ("finished", _time(info.get("finished"))),
        ("took", duration(info["seconds"]) if info.get("seconds") else ""),
        *_job(info),
        ("cost", cost(info)),
        ("sweep", info.get("sweep") or ""),
        ("git commit", info.get("git_commit") or ""),
        ("digest of the code", info.get("code") or ""),
        ("fingerprint of the run", info.get("fingerprint") or ""),
    ]


def _job(info: dict[str, Any]) -> list[tuple[str, str]]:
    job = info.get("job") or {}
    billed = job.get("seconds_billed")
    price = job.get("price_per_hour")
    return [
        ("backend", info.get("backend") or "local"),
        ("job", info.get("job_name") or ""),
        ("instance", job.get("instance_type") or ""),
        ("billed", duration(billed) if billed is not None else ""),
        ("price", f"${price:g} an hour" if price is not None else ""),
    ]


def cost(info: dict[str, Any]) -> str:
    """What was paid; empty for a run on this machine, and if nobody knows."""
    if info.get("rehearsal"):
        return "nothing: a rehearsal, not paid"
    paid = cost_of(info)
    return "" if paid is None else f"${paid:.2f}"


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
