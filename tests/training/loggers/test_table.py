"""metrics.csv of a resumed run is that of one that nobody stopped, whatever became of the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from imdb_cls.training.loggers.table import TableLogger

LOGGED = [({"train/loss": 0.5, "train/learning_rate": 1e-5}, step) for step in (2, 4, 6, 8)]


@pytest.fixture
def table(tmp_path: Path) -> TableLogger:
    logger = TableLogger(tmp_path / "metrics.csv")
    for metrics, step in LOGGED:
        logger.write(metrics, step, 0)
    return logger


def _no_header(text: bytes) -> bytes:
    return text.partition(b"\n")[2]


def _in_mid_line(text: bytes) -> bytes:
    return text[: text.index(b"\n6,") + 20]


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "missing": lambda text: b"",
    "no header": _no_header,
    "cut": _in_mid_line,
    "garbage": lambda text: bytes(range(256)),
    "zeroed": lambda text: bytes(len(text)),
    "a quote": lambda text: text.replace(b"\n4,", b'\n"4,', 1),
}


@pytest.mark.parametrize("harm", HARMS)
def test_the_rows_of_the_checkpoint_are_written_anew(table: TableLogger, harm: str) -> None:
    before = table.path.read_text()
    table.path.write_bytes(HARMS[harm](table.path.read_bytes()))
    if harm == "missing":
        table.path.unlink()
    resumed = TableLogger(table.path)
    resumed.go_on(8, table.rows)
    assert table.path.read_text() == before
    resumed.go_on(4, table.rows)
    assert table.path.read_text() == before[: before.index("\n6,") + 1]


@pytest.mark.parametrize(
    ("harm", "steps"),
    [("no header", [2, 4]), ("cut", [2, 4]), ("garbage", []), ("zeroed", []), ("missing", [])],
)
def test_an_older_checkpoint_keeps_what_is_whole_in_the_file(
    table: TableLogger, harm: str, steps: list[int]
) -> None:
    table.path.write_bytes(HARMS[harm](table.path.read_bytes()))
    table.go_on(5, None)
    assert [int(row[0]) for row in table.rows] == [step for step in steps for _ in range(2)]
    assert table.path.read_text().startswith("step,epoch,name,value,time\n")


def test_values_are_found_by_step_and_prefix(table: TableLogger) -> None:
    table.write({"val/loss": 0.25}, 8, 1)
    assert table.values_at(8, "val/") == {"loss": 0.25}
    assert table.values_at(6, "val/") == {}
