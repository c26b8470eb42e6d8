"""How numbers, times, amounts and commands are written."""

import shlex
from pathlib import Path

from imdb_cls.runs.overrides import Overrides, shown


def duration(seconds: float) -> str:
    """0.3 s, 45 s, 12 min 5 s, 3 h 20 min."""
    if 0 < seconds < 2:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def whole_seconds(value: float | None) -> str:
    """45; nothing if it is not known."""
    return "" if value is None else f"{value:.0f}"


def dollars(amount: float | None) -> str:
    """$1.25; nothing if it is not known."""
    return "" if amount is None else f"${amount:.2f}"


def moment(time: str | None) -> str:
    """A time of run.json or sweep.json: 2026-11-24 15:02:17 UTC."""
    return (time or "").replace("T", " ").replace("+00:00", " UTC")


def percent(share: float) -> str:
    """86.6 %"""
    return f"{100 * share:.1f} %"


def with_interval(value: float, interval: tuple[float, float] | None) -> str:
    """0.861 [0.845, 0.876]"""
    text = f"{value:.3f}"
    return f"{text} [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else text


def signed(value: float, digits: int) -> str:
    """+1.2 or −0.5. A number that rounds to 0 has no sign."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def points(difference: float) -> str:
    """A difference of two shares: +1.2 points."""
    return f"{signed(100 * difference, 1)} points"


def p_value(p: float) -> str:
    """p = 0.032, or p < 0.0001 for whatever is less than that."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def predict_command(run: Path) -> str:
    return f'python -m imdb_cls.predict run={shlex.quote(str(run))} "i liked the movie"'


def setting(values: Overrides, key: str) -> str:
    """The value of a key; nothing if it has none."""
    return shown(values[key]) if key in values else ""
