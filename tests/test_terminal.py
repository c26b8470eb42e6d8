"""What a person sees on a real terminal."""

import os
import pty
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.runs import FILES, files_of, read


def on_a_terminal(words: list[str], cwd: Path) -> str:
    """The output of a command whose stdout is a terminal of 120 columns, without its colours."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm-256color"}
    process = subprocess.Popen(words, stdout=slave, stderr=slave, cwd=cwd, env=environment)
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux says so when the other end has closed
            break
        if not part:
            break
        seen += part
    os.close(master)
    assert process.wait() == 0, seen.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())


def test_a_terminal_shows_one_bar_with_its_end_and_the_validation_then_one_table(
    python: list[str], tiny: list[str], tmp_path: Path
) -> None:
    words = [*python, "-m", "imdb_cls.train", *tiny, "hydra.run.dir=run"]
    seen = on_a_terminal(words, tmp_path)
    assert re.search(r"trained .* 12/12 .* ETA .* val loss 0\.\d+ +val accuracy 0\.\d+", seen)
    assert re.search(r"│ accuracy +│ +0\.\d{4} \[0\.\d{4}, 0\.\d{4}\] │", seen)
    assert "step=" not in seen
    assert "Warning" not in seen
    assert "step=12" in (tmp_path / "run" / "train.log").read_text()


def test_a_reference_stands_beside_our_figures(tiny: list[str], tmp_path: Path) -> None:
    from imdb_cls.names import SCALARS
    from imdb_cls.terminal import summary_rows

    ours = dict.fromkeys(SCALARS, 0.9) | {"accuracy_ci95": [0.89, 0.91], "samples_per_second": 99.0}
    rows = summary_rows(ours, {"name": "original", "accuracy": 0.8792, "f1": None})
    assert rows[1] == {
        "test": "accuracy",
        "this run": "0.9000 [0.8900, 0.9100]",
        "original": "0.8792",
    }
    assert rows[5]["original"] == ""


@pytest.mark.parametrize("out", [">/dev/full 2>&1", ">&- 2>&-", "2>&1 | head -1 >first"])
def test_training_outlasts_what_it_prints_to(
    python: list[str], tiny: list[str], tmp_path: Path, out: str
) -> None:
    words = shlex.join([*python, "-m", "imdb_cls.train", *tiny, "hydra.run.dir=run"])
    script = f"set -o pipefail; {words} {out}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, timeout=120)
    assert done.returncode == 0
    assert read(tmp_path / "run", "run.json")["status"] == "completed"
    assert files_of(tmp_path / "run") == FILES
    assert "step=12" in (tmp_path / "run" / "train.log").read_text()
