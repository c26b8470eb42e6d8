"""What the benchmarks have in common: this machine in words, a table of their rows, a JSON file."""

import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from imdb_cls.storage import write_json
from imdb_cls.terminal import as_table

# What decides how fast a CPU multiplies: of x86, then of ARM.
_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "bf16")
_PACKAGES = ("torch", "transformers", "pytorch-lightning", "onnxruntime")

Row = dict[str, str | float | int | None]


def machine() -> dict[str, Any]:
    """The CPU and its instruction sets, the cores that this process may use, the GPU, and the
    versions of what computes."""
    from imdb_cls.inference.engine import cores, has_gpu

    found: dict[str, Any] = {"cpu": platform.machine(), "cores": cores(), "gpu": None}
    info = Path("/proc/cpuinfo")
    said = info.read_text(encoding="utf-8") if info.is_file() else ""
    if name := re.search(r"^model name\s*: (.+)$", said, re.MULTILINE):
        found["cpu"] = name[1]
    flags = re.search(r"^(?:flags|Features)\s*: (.+)$", said, re.MULTILINE)
    found["instructions"] = [s for s in _SETS if flags and s in flags[1].split()]
    if has_gpu():
        import torch

        found["gpu"] = torch.cuda.get_device_name()
    found["versions"] = {name: version(name) for name in _PACKAGES}
    return found


def in_words(found: dict[str, Any]) -> str:
    """A machine on one line."""
    where = found["gpu"] or f"{found['cpu']} ({' '.join(found['instructions'])})"
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"{where}, {found['cores']} cores; {versions}"


@dataclass
class Report:
    """A benchmark's rows, shown as they come: a line each, and at the end the table."""

    name: str
    settings: dict[str, Any]
    output: str | None = None
    """Where the JSON goes; none without it."""
    rows: list[Row] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """What else was measured."""

    def __post_init__(self) -> None:
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
        self._machine = machine()
        self._console.print(in_words(self._machine), soft_wrap=True)

    @contextmanager
    def measuring(self, what: str) -> Iterator[None]:
        """Says what is measured meanwhile: on a terminal for as long as it takes."""
        if self._console.is_terminal:
            with self._console.status(what):
                yield
        else:
            print(f"… {what}", flush=True)
            yield

    def add(self, row: Row) -> None:
        self.rows.append(row)
        shown = ", ".join(str(v) if n == 0 else f"{k} {_shown(v)}" for n, (k, v) in _cells(row))
        self._console.print(shown, soft_wrap=True)

    def close(self) -> None:
        """Prints the table, and writes the file."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        shown = [{name: _shown(row.get(name)) for name in columns} for row in self.rows]
        for name, value in self.facts.items():
            self._console.print(f"{name}: {_shown(value)}", soft_wrap=True)
        self._console.print(as_table(shown, "", boxed=self._console.is_terminal))
        if self.output:
            found = {
                "benchmark": self.name,
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": self._machine,
                "settings": self.settings,
                **self.facts,
                "rows": self.rows,
            }
            write_json(Path(self.output), found)


def _cells(row: Row) -> list[tuple[int, tuple[str, Any]]]:
    return [(n, cell) for n, cell in enumerate(row.items()) if cell[1] is not None]


def _shown(value: object) -> str:
    """A number with three digits that count, at least those before its point."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def child(words: list[str], **variables: str) -> Any:
    """What a process of this Python prints as its last line, which is JSON. Ends this process with
    what it said if it fails."""
    import subprocess

    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])
