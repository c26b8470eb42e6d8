"""What a person sees: a panel, a progress bar and one table; in a pipe, plain lines."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress

from imdb_cls.config import ReferenceConfig
from imdb_cls.names import SCALARS

# What libraries say of things that a user can do nothing about.
_SILENCED = (
    r".*does not have many workers.*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*is smaller than the logging interval.*",
    r".*Found .* module\(s\) in eval mode.*",
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*The dirpath has changed from.*",
    r".*Experiment logs directory .* exists and is not empty.*",
    r".*There is a wandb run already in progress.*",
    r".*barrier\(\): using the device under current context.*",
    r".*It is recommended to use .* when logging on epoch level in distributed setting.*",
)


# Where nobody listens, warnings are on the screen already: logging's last resort would repeat them.
logging.getLogger("imdb_cls").addHandler(logging.NullHandler())


def is_rank_zero() -> bool:
    """Whether this process is the one of all ranks that speaks and writes."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0) == 0


def quiet_libraries() -> None:
    """Before the libraries load: their advice and bars, which are for other programs, stay away."""
    for pattern in _SILENCED:
        warnings.filterwarnings("ignore", message=pattern)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def quiet_loaded_libraries(bars: bool) -> None:
    """After they loaded; `bars` keeps those of downloads."""
    import datasets
    import transformers

    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)

    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if not bars:
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()


class Screen:
    """stdout for a person (`bar`) or for a log."""

    def __init__(self, progress: str = "auto") -> None:
        self.console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self.bar = progress == "bar" or (progress == "auto" and self.console.is_terminal)
        self.log = logging.getLogger("imdb_cls")

    def say(self, text: str) -> None:
        """One line, on the screen and in train.log."""
        if is_rank_zero():
            self.console.print(text, markup=False)
            self.log.info(text)

    def rule(self, title: str) -> None:
        """Where something new begins: a line across the terminal, or one line in a log."""
        if self.console.is_terminal:
            self.console.rule(Text(title), align="left")
        else:
            self.say(title)

    def warn(self, title: str, text: str) -> None:
        """What must not be missed: a panel, or one line in a log."""
        if not is_rank_zero():
            return
        if self.console.is_terminal:
            self.console.print(Panel(text, title=title, border_style="yellow", title_align="left"))
        else:
            self.console.print(f"WARNING {title}: {text}", markup=False)
        self.log.warning("%s: %s", title, text)

    @contextmanager
    def counted(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar over `total` reviews where bars are shown; gives what counts them."""
        if not self.bar:
            yield lambda done: None
            return
        with progress_bar(self.console) as bar:
            task = bar.add_task(what, total=total, figures="")
            yield lambda done: bar.advance(task, done)

    def summary(
        self,
        name: str,
        metrics: dict[str, Any],
        reference: ReferenceConfig | None,
        notes: list[str],
    ) -> None:
        """The test metrics, with the reference's beside them, and the notes below."""
        rows = summary_rows(metrics, reference)
        for row in rows:
            self.log.info("  ".join(f"{key}: {value}" for key, value in row.items() if value))
        self.console.print(as_table(rows, name, boxed=self.console.is_terminal))
        for note in notes:
            self.say(note)


def progress_bar(console: Console) -> "Progress":
    """One bar: what is counted, how far it is, when it will end, and the task's `figures`."""
    # Only where something is counted: a short command shows no bar.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(elapsed_when_finished=False),
        TextColumn("{task.fields[figures]}"),
        console=console,
        expand=True,
    )


def as_table(rows: list[dict[str, str]], title: str, boxed: bool, right: bool = True) -> Table:
    """Rows of equal keys, the first column to the left and the others to the `right`."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.ROUNDED if boxed else None,
        pad_edge=boxed,
    )
    for number, column in enumerate(rows[0]):
        table.add_column(column, justify="right" if number and right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row.values()))
    return table


def show_plan(console: Console, facts: dict[str, str], warnings: Sequence[str] = ()) -> None:
    """What will be done: a row a fact, and below it what a user should know before paying."""
    rows = [{"plan": name, "": fact} for name, fact in facts.items()]
    console.print(as_table(rows, "", boxed=console.is_terminal, right=False))
    for warning in warnings:
        console.print(f"WARNING {warning}", markup=False)


def summary_rows(
    metrics: dict[str, Any], reference: ReferenceConfig | None
) -> list[dict[str, str]]:
    """One row a figure: its name, ours, and the reference's if there is one."""
    rows = []
    for name in (*SCALARS, "samples_per_second"):
        ours = f"{metrics[name]:.1f}" if name == "samples_per_second" else f"{metrics[name]:.4f}"
        if name == "accuracy":
            low, high = metrics["accuracy_ci95"]
            ours += f" [{low:.4f}, {high:.4f}]"
        row = {"test": name, "this run": ours}
        if reference:
            theirs = getattr(reference, name, None)
            row[reference.name] = "" if theirs is None else f"{theirs:g}"
        rows.append(row)
    return rows


def clock(seconds: float) -> str:
    """3:12, or 1:03:12."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
