"""report.html: a run, or an evaluation, on one page that needs no network."""

from pathlib import Path

from imdb_cls.data.splits import Split, Splits
from imdb_cls.reports import page
from imdb_cls.reports.formats import p_value, percent, points
from imdb_cls.reports.run.difference import against_baseline, difference
from imdb_cls.reports.run.examples import examples
from imdb_cls.reports.run.failures import failures
from imdb_cls.reports.run.mcnemar import LEVEL
from imdb_cls.reports.run.provenance import cost, provenance
from imdb_cls.reports.run.quality import quality
from imdb_cls.reports.run.results import RunResults, read, read_evaluation, with_reviews
from imdb_cls.reports.run.training import training
from imdb_cls.runs.run import Run
from imdb_cls.terminal import quiet_loaded_libraries


def write(run: Run, splits: Splits | None = None, output: Path | None = None) -> Path:
    """Writes RUN/report.html, or `output`. The run's reviews are read again unless they are given
    as `splits`. What cannot be had is left out, and the page says why."""
    quiet_loaded_libraries(bars=False)
    return _write(output or run.report_file, with_reviews(read(run), splits))


def write_evaluation(directory: Path, run: Run, reviews: Split) -> Path:
    """Writes report.html beside the metrics.json and predictions.parquet that evaluating these
    reviews gave."""
    quiet_loaded_libraries(bars=False)
    return _write(directory / run.report_file.name, read_evaluation(directory, run, reviews))


def _write(path: Path, results: RunResults) -> Path:
    content = {
        "results": results,
        "verdict": _verdict(results),
        "facts": _key_figures(results),
        "quality": quality(results),
        "difference": difference(results),
        "training": training(results) if results.evaluation is None else None,
        "failures": failures(results),
        "examples": examples(results),
        "provenance": provenance(results),
    }
    page.write(path, Path(__file__).parent, content)
    return path


def _verdict(results: RunResults) -> str:
    """The page in a sentence."""
    if not results.scores and results.status == "completed":
        return "It was tested, but its figures cannot be read."
    if not results.scores:
        known = results.curve(results.metric)
        so_far = f" The last {results.metric} was {known[-1][1]:.3f}." if known else ""
        return f"Not tested yet; the run's status is {results.status}.{so_far}"
    samples = results.scores.get("samples", 0)
    said = (
        f"{percent(results.scores['accuracy'])} of {samples:,} {results.what} get the right label"
    )
    found = against_baseline(results)
    if found is None:
        return f"{said}."
    if found.p >= LEVEL:
        return (
            f"{said}: no clear difference from a TF-IDF baseline"
            f" ({points(found.difference)}, {p_value(found.p)})."
        )
    better = "more" if found.difference > 0 else "fewer"
    gap = f"{abs(100 * found.difference):.1f} points"
    return f"{said}, {gap} {better} than with a TF-IDF baseline ({p_value(found.p)})."


def _key_figures(results: RunResults) -> list[tuple[str, str]]:
    info, scores = results.info, results.scores
    figures = [("status", results.status)]
    if results.evaluation is not None:
        figures = [("evaluated on", results.evaluation)]
    if ends := scores.get("accuracy_ci95"):
        low, high = (f"{100 * end:.1f}" for end in ends)
        figures.append(("accuracy", f"{100 * scores['accuracy']:.1f} % [{low}, {high}]"))
    figures += [
        ("AUROC", f"{scores['auroc']:.3f}" if "auroc" in scores else ""),
        ("weights", info.resolved.model if info.resolved else ""),
        ("took", results.took),
        ("on", info.device or ""),
        ("cost", cost(info)),
    ]
    return [(name, value) for name, value in figures if value]
