"""The table, as text and in docs/reliability.md."""

import os
import platform
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from torture.cases import Kind

_BEGIN, _END = "<!-- torture -->", "<!-- end of torture -->"


def line(row: dict[str, str]) -> str:
    return "| " + " | ".join(row.values()) + " |"


def table(kinds: Sequence[Kind]) -> str:
    """Markdown."""
    if not kinds:
        return "nothing has this name"
    rows = [kind.row() for kind in kinds]
    figures = [name for name in rows[0] if name]
    sums = {n: f"{sum(int(r[n].replace(',', '')) for r in rows):,}" for n in figures}
    begin = [line(dict.fromkeys(rows[0], "")), "| --- |" + " ---: |" * len(figures)]
    begin[0] = line({name: name for name in rows[0]})
    return "\n".join([*begin, *map(line, rows), line({"": "all", **sums})])


def write(page: Path, kinds: Sequence[Kind], command: str, minutes: float) -> None:
    """Puts the table between its marks in the page, with what it was made by."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    moments = sum((kind.notes for kind in kinds if kind.name.startswith("SIG")), Counter[str]())
    said = ", ".join(f"{what} ({count})" for what, count in moments.most_common())
    made = f"`{command}` on {datetime.now(UTC):%Y-%m-%d}, {minutes:.0f} minutes: {machine()}."
    killed = f"\nKilled while {said}.\n" if said else ""
    found = f"{_BEGIN}\n{made}\n\n{table(kinds)}\n{killed}{_END}"
    page.write_text(before + found + after, encoding="utf-8")


def machine() -> str:
    """The kind of processor, its instruction set and the cores that we may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    facts = {k.strip(): v.strip() for k, _, v in (one.partition(":") for one in lines)}
    flags = facts.get("flags", "").split()
    best = next((name for name in ("avx512f", "avx2", "avx") if name in flags), platform.machine())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{facts.get('model name', platform.processor())}, {best}, {cores} cores"
