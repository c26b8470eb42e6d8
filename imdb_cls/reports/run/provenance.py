"""What exactly ran? Command, config, data, weights, versions, seconds, cost, and how to use it."""

import shlex
from typing import Any

import yaml
from omegaconf import OmegaConf

from imdb_cls.config import CONF_DIR
from imdb_cls.reports.formats import dollars, duration, moment, percent, predict_command
from imdb_cls.reports.page import Content, Table, text_columns
from imdb_cls.reports.run.results import RunResults
from imdb_cls.runs.info import Resolved, RunInfo
from imdb_cls.runs.overrides import (
    WITHOUT_EFFECT,
    Overrides,
    comparable,
    flat,
    is_within,
    shown,
)

# These keys follow from the name of the weights or of the reviews.
_FOLLOW = ("sha256", "revision")


def provenance(results: RunResults) -> Content:
    parts = [(name, duration(value)) for name, value in (results.info.parts or {}).items()]
    defaults = effective(_defaults())
    differences = [
        (key, shown(value), shown(defaults[key]))
        for key, value in effective(results.config).items()
        if key in defaults and comparable(value) != comparable(defaults[key])
    ]
    return {
        "facts": [(name, value) for name, value in _facts(results) if value],
        "parts": Table(parts, text_columns("part", "took")),
        "differences": Table(differences, text_columns("key", "this run", "default", words=3)),
        "config": yaml.safe_dump(results.config, sort_keys=False),
        "fast": fast(results.metrics.get("fast")),
        "use": _use(results),
    }


def _facts(results: RunResults) -> list[tuple[str, str]]:
    """Names and values, in the order of a reader's questions; empty if they are not known."""
    info, job = results.info, results.info.job
    billed, hourly = (job.seconds_billed, job.price_per_hour) if job else (None, None)
    return [
        *(_resolved(info.resolved) if info.resolved else []),
        ("device", info.device or ""),
        ("precision of training", info.precision or ""),
        ("seed", "" if info.seed is None else str(info.seed)),
        ("started", moment(info.started)),
        ("finished", moment(info.finished)),
        ("took", results.took),
        ("backend", info.backend or "local"),
        ("job", info.job_name or ""),
        ("instance", job.instance_type if job else ""),
        ("billed", "" if billed is None else duration(billed)),
        ("saved by spot", dollars(info.saved_usd) if job else ""),
        ("price", "" if hourly is None else f"${hourly:g} an hour"),
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
        *([("of other labels, left out", f"{resolved.left_out:,}")] if resolved.left_out else []),
        ("weights", resolved.model),
        ("weights revision", resolved.revision or ""),
        ("SHA-256 of the weights", resolved.weights_sha256),
    ]


def effective(config: dict[str, Any]) -> Overrides:
    """The keys of a config.yaml that can change a result, with their values. Hashes of what
    another key names are left out."""
    return {
        key: value
        for key, value in flat(config).items()
        if not key.endswith(_FOLLOW) and not is_within(key, WITHOUT_EFFECT)
    }


def _defaults() -> dict[str, Any]:
    """The config of `python -m imdb_cls.train` without any words behind it."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    # Only one Hydra can be initialized at a time, and at the end of a run one still is.
    instance = GlobalHydra.instance()
    running, instance.hydra = instance.hydra, None
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            composed: Any = OmegaConf.to_container(compose("train"), resolve=True)
    finally:
        instance.hydra = running
    return dict(composed)


def cost(info: RunInfo) -> str:
    """What was paid; empty for a run on this machine, and if it is not known."""
    return "nothing: a rehearsal, not paid" if info.rehearsal else dollars(info.cost_usd)


def fast(known: dict[str, Any] | None) -> str:
    """What is lost with the model for CPUs, in a sentence, from `fast` of metrics.json."""
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


def _use(results: RunResults) -> list[tuple[str, str]]:
    """What one can do with the run, and the commands."""
    directory = results.run.path.absolute()
    path = shlex.quote(str(directory))
    if results.status != "completed":
        return [("go on with it", results.run.how_to_go_on())]
    return [
        ("label reviews", predict_command(directory)),
        ("test it on other reviews", f"python -m imdb_cls.evaluate run={path} input=reviews.csv"),
        ("serve it here", f"python -m launch.endpoint serve {path}"),
        ("deploy it on SageMaker", f"python -m launch.endpoint deploy {path}"),
        ("make this page again", f"python -m imdb_cls.report {path}"),
    ]
