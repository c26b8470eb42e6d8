"""A trial's job while it is at work."""

import contextlib
import re

from imdb_cls.names import lower_is_better
from imdb_cls.runs.outcome import Outcome, outcome_of
from imdb_cls.runs.run import Run
from imdb_cls.sweeps.live import Row
from imdb_cls.terminal import clock
from launch.aws.client import AWS
from launch.training.fetch import fetch
from launch.training.follow import OVER, Description, Log, cost, seconds_since
from launch.training.reconcile import on_record


class LiveJob:
    """
    Args:
        metric: the sweep's, looked for in the job's log.
    """

    def __init__(self, run: Run, aws: AWS, metric: str) -> None:
        self.run, self.aws, self.metric = run, aws, metric
        self.name, job = on_record(run)
        self.fingerprint, self.price = run.info().fingerprint, job.price_per_hour
        self.best: float | None = None
        self.description: Description = {}
        self._log = Log(aws, self.name)
        self._value = re.compile(rf"\b{re.escape(metric)}=(\S+)")

    def look(self, description: Description) -> bool:
        """Notes how the job stands and reads its log. Returns whether it is over. Raises UserError
        if AWS refuses to tell, or does not answer."""
        self.description = description
        better = min if lower_is_better(self.metric) else max
        for line in self._log.new_lines():
            for found in self._value.findall(line):
                with contextlib.suppress(ValueError):
                    value = float(found)
                    self.best = value if self.best is None else better(self.best, value)
        return description["TrainingJobStatus"] in OVER

    def ended(self) -> Outcome:
        """Fetches what the job left, and gives the trial's outcome."""
        fetch(self.run, self.aws, self.description)
        if outcome := outcome_of(self.run, self.metric):
            return outcome
        reason = f"the job was stopped ({self.description['SecondaryStatus']})"
        return Outcome(self.run.path.name, "failed", None, reason)

    def row(self, label: str) -> Row:
        phase = self.description.get("SecondaryStatus", "Submitted")
        best = "" if self.best is None else f"{self.best:.4f}"
        elapsed = paid = ""
        if self.description:
            elapsed = clock(seconds_since(self.description))
            if (usd := cost(self.description, self.price)) is not None:
                paid = f"${usd:.2f}"
        return Row(self.run.path.name, label, phase, best, elapsed, paid)
