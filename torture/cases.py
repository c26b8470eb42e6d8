"""What is tried, how it may end, and how often it ended so."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class End(StrEnum):
    SAME = "same"
    """The answer that was due, or the run that nothing happened to."""
    TOLD = "told"
    """Another answer, or a part of it, and a line that says why."""
    REFUSED = "refused"
    """One line and exit code 2."""
    DIFFERENT = "different"
    """A run that went on has other numbers, or something was run or written that must not be."""
    TRACEBACK = "traceback"
    """Or a crash, another exit code, no answer, no end."""
    SILENT = "silent"
    """Another answer without a word."""


FAILURES = (End.DIFFERENT, End.TRACEBACK, End.SILENT)


@dataclass(frozen=True)
class Verdict:
    end: End
    detail: str = ""
    tried: int = 1
    """Such as the kills that one run went through."""


@dataclass(frozen=True)
class Case:
    name: str
    judge: Callable[[Path], Verdict]
    """Does it in an empty directory."""


@dataclass
class Kind:
    """One row of the table."""

    name: str
    cases: Iterator[Case]
    wanted: float = float("inf")
    """Ends once so many were tried."""
    last: Case | None = None
    """What follows when all others are over."""
    counts: Counter[End] = field(default_factory=Counter)
    failed: list[tuple[Case, Verdict]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """What the verdicts that are no failures say, such as the moments of kills."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def tried(self) -> int:
        return self.counts.total()

    def next(self) -> Case | None:
        with self._lock:
            return next(self.cases, None) if self.tried < self.wanted else None

    def add(self, case: Case, verdict: Verdict) -> None:
        with self._lock:
            self.counts[verdict.end] += verdict.tried
            if verdict.end in FAILURES:
                self.failed.append((case, verdict))
            elif verdict.detail:
                self.notes.update(verdict.detail.split("; "))

    def row(self) -> dict[str, str]:
        counts = {end.value: f"{self.counts[end]:,}" for end in End}
        return {"": self.name, "tried": f"{self.tried:,}", **counts}
