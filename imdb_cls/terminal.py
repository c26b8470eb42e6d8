"""What a person sees: a panel, a progress bar and one table; in a pipe, plain lines."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from imdb_cls.errors import one_line, printable
from imdb_cls.names import SCALARS

# Of a table in a pipe.
_WIDE = 240
# Warnings of libraries that a user can do nothing about.
_SILENCED = (
    r".*does not have many workers.*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*is smaller than the logging interval.*",
    r".*Found .* module\(s\) in eval mode.*",
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*Experiment logs directory .* exists and is not empty.*",
    r".*There is a wandb run already in progress.*",
    r".*barrier\(\): using the device under current context.*",
    r".*It is recommended to use .* when logging on epoch level in distributed setting.*",
    r".*Glyph .* missing from .*",
)

# Without a handler, logging would print once more what Screen.warn has printed.
logging.getLogger("imdb_cls").addHandler(logging.NullHandler())


def is_rank_zero() -> bool:
    """Whether this process is the one of all ranks that prints and writes files."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0) == 0


class _LastingFile(io.FileIO):
    """Writes to a descriptor for as long as that works, then nowhere."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return super().write(data)


def outlast_readers() -> None:
    """Lets this process go on where stdout or stderr is closed, is a full disk, or has lost the
    program that reads it. A command that takes hours says all in its log, too."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            # Else the next file that is opened would get its number, and what libraries print.
            opened = os.open(os.devnull, os.O_WRONLY)
            if opened != descriptor:
                os.dup2(opened, descriptor)
        lasting = io.TextIOWrapper(
            io.BufferedWriter(_LastingFile(descriptor, "w", closefd=False)),
            encoding=getattr(stream, "encoding", "utf-8"),
            errors=getattr(stream, "errors", "replace"),
            line_buffering=True,
        )
        setattr(sys, name, lasting)


def quiet_libraries() -> None:
    """Silences warnings and advice of libraries that are not imported yet."""
    for pattern in _SILENCED:
        warnings.filterwarnings("ignore", message=pattern)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


def quiet_loaded_libraries(bars: bool) -> None:
    """Imports the libraries that can be silenced only then; `bars` keeps those of downloads."""
    import transformers

    quiet_downloads(bars)
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def quiet_downloads(bars: bool) -> None:
    """Silences what reads and fetches reviews and weights; `bars` keeps the bars of downloads."""
    if datasets := sys.modules.get("datasets"):  # else quiet_libraries did it, and it is slow
        datasets.disable_progress_bars()
    if not bars:
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()


class PlainConsole(Console):
    """A console that shows every text as it is: nothing in brackets or between colons is a command
    to it, and control characters are signs. Only rich's own Text has a style."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


def notice(text: str) -> None:
    """Says on stderr, and in a run's log, what happened beside what was asked for."""
    if is_rank_zero():
        print(one_line(text, limit=1000), file=sys.stderr)
        logging.getLogger("imdb_cls").warning(one_line(text, limit=1000))


class Screen:
    """stdout, with bars, rules and boxes where it is a terminal, and with plain lines elsewhere.
    `progress` is bar, lines, or auto: a bar on a terminal."""

    def __init__(self, progress: str = "auto") -> None:
        self.console = PlainConsole(soft_wrap=not sys.stdout.isatty())
        self.bar = progress == "bar" or (progress == "auto" and self.console.is_terminal)
        self.log = logging.getLogger("imdb_cls")

    def say(self, text: str) -> None:
        """Prints a line, and logs it: a run's log is train.log."""
        if is_rank_zero():
            self.console.print(text)
            self.log.info(printable(text))

    def rule(self, title: str) -> None:
        """Marks where something new begins: by a line across a terminal, or by the title alone."""
        if self.console.is_terminal:
            self.console.rule(Text(printable(title)), align="left")
        else:
            self.say(title)

    def warn(self, title: str, text: str) -> None:
        """Says what must not be missed: in a panel on a terminal, else on one line."""
        if not is_rank_zero():
            return
        if self.console.is_terminal:
            about = Text(printable(title))
            self.console.print(Panel(text, title=about, border_style="yellow", title_align="left"))
        else:
            self.console.print(f"WARNING {title}: {text}")
        self.log.warning(printable(f"{title}: {text}"))

    @contextmanager
    def counted(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Shows a bar, if any. Gives the function that moves it, by so many of `total` reviews."""
        if not self.bar:
            yield lambda done: None
            return
        with progress_bar(self.console) as bar:
            task = bar.add_task(what, total=total, figures="")
            yield lambda done: bar.advance(task, done)

    def summary(
        self, title: str, ours: dict[str, Any], reference: dict[str, Any] | None, notes: list[str]
    ) -> None:
        """Prints and logs our test metrics, beside them a reference's with its name, then notes."""
        rows = summary_rows(ours, reference)
        for row in rows:
            self.log.info("  ".join(f"{key}: {value}" for key, value in row.items() if value))
        self.console.print(as_table(rows, title, boxed=self.console.is_terminal))
        for note in notes:
            self.say(note)


def progress_bar(console: Console, end: ProgressColumn | None = None) -> Progress:
    """A bar with a task's description, how far it is, when it will end, and its field `figures`."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        end or TimeRemainingColumn(elapsed_when_finished=False),
        TextColumn("{task.fields[figures]}", markup=False),
        console=console,
        expand=True,
    )


def as_table(rows: list[dict[str, str]], title: str, boxed: bool, right: bool = True) -> Table:
    """A table of rows with equal keys; `right` aligns all columns but the first to the right."""
    frame = box.ROUNDED if boxed else None
    table = Table(title=title, title_justify="left", title_style="bold", box=frame, pad_edge=boxed)
    for number, column in enumerate(rows[0]):
        table.add_column(column, justify="right" if number and right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    return table


def show_table(console: Console, rows: list[dict[str, str]], title: str) -> None:
    """Texts, a row each. In a pipe nothing is folded."""
    boxed = console.is_terminal
    wide = console if boxed else PlainConsole(width=_WIDE)
    wide.print(as_table(rows, title, boxed=boxed, right=False))


def show_plan(console: Console, facts: dict[str, str], warnings: Sequence[str] = ()) -> None:
    """What will be done: a row a fact, and below it what a user should know before paying."""
    rows = [{"plan": name, "": fact} for name, fact in facts.items()]
    console.print(as_table(rows, "", boxed=console.is_terminal, right=False))
    for warning in warnings:
        console.print(f"WARNING {warning}")


def summary_rows(metrics: dict[str, Any], reference: dict[str, Any] | None) -> list[dict[str, str]]:
    """A row for each metric: its name, ours, and the reference's if there is one."""
    shown = {name: f"{metrics[name]:.4f}" for name in SCALARS}
    low, high = metrics["accuracy_ci95"]
    shown["accuracy"] += f" [{low:.4f}, {high:.4f}]"
    shown["samples_per_second"] = f"{metrics['samples_per_second']:.1f}"
    rows = []
    for name, ours in shown.items():
        row = {"test": name, "this run": ours}
        if reference:
            theirs = reference.get(name)
            row[reference["name"]] = "" if theirs is None else f"{theirs:g}"
        rows.append(row)
    return rows


def clock(seconds: float) -> str:
    """3:12, or 1:03:12."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
