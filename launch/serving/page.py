"""The page for people: a box for a review, its label, and the words that drove it."""

from dataclasses import dataclass
from pathlib import Path

from imdb_cls.inference.contract import Limits
from imdb_cls.reports import page
from imdb_cls.reports.formats import percent
from imdb_cls.runs.run import Run
from launch.serving.schema import EXAMPLES

# The page loads nothing, and talks to this server alone: whoever types into it can check that here.
HEADERS = {
    "content-security-policy": "default-src 'none'; connect-src 'self'; img-src data:;"
    " script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}


@dataclass(frozen=True)
class ServedModel:
    """What the page says of the model."""

    name: str
    engine: str
    accuracy: str


def accuracy_of(run: Run) -> str:
    """The run's accuracy on its test split. Raises UserError if its metrics.json is damaged."""
    test = run.metrics().get("test")
    if not test:
        return "not tested"
    return f"right on {percent(test['accuracy'])} of {test['samples']:,} test reviews"


def render(model: ServedModel, limits: Limits) -> str:
    """The page as HTML, with all that it needs in it."""
    samples = [*EXAMPLES["several texts"][0]["inputs"], "the movie was okay"]
    return page.render(Path(__file__).parent, {**vars(model), "limits": limits, "samples": samples})
