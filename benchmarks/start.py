"""What commands take beside their work: CPU and wall seconds of whole processes.

    python -m benchmarks.start [rounds=3] [output=FILE]

A run of the packaged weights on 320 reviews is trained first; then its commands are timed, the
least of some rounds. Cold: what lies in the file cache of the environment and of the run is
dropped before (Linux). `import torch` is the measure for all others, on any machine.
"""

import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bench import Report, Row
from imdb_cls import cli

# Twenty steps of a network that is large enough for a report that has all of its parts.
_TRAIN = (
    *("-m", "imdb_cls.train", "experiment=quickstart", "data.train_size=320", "data.val_size=100"),
    *("data.test_size=100", "data.batch_size=16", "trainer.progress=lines"),
)
_STATISTICS = ("CPU s", "wall s")


@dataclass
class Arguments:
    rounds: int | None = 3
    output: str | None = None


def main() -> None:
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], __doc__ or "")
        report = Report("start", asdict(given), given.output)
        with tempfile.TemporaryDirectory() as directory:
            measure(Path(directory), given.rounds or 1, report)
        report.close()


def measure(directory: Path, rounds: int, report: Report) -> None:
    run, slow = directory / "run", directory / "slow"
    python(*_TRAIN, f"hydra.run.dir={run}")  # fills the caches
    python(*_TRAIN, f"hydra.run.dir={slow}", "export=false")
    reviews = directory / "twenty.csv"
    reviews.write_text("text,label\n" + "it was fine,1\nit was dull,0\n" * 10)
    evaluate = ("run={}", f"input={reviews}", f"output={directory}/evaluation")
    commands: dict[str, tuple[str, ...]] = {
        "import torch": ("-c", "import torch"),
        "train --help": ("-m", "imdb_cls.train", "--help"),
        "train, a wrong key": ("-m", "imdb_cls.train", "model.learning_rat=1"),
        "predict of a sentence, fast model": (*_command("predict", run), "i liked it"),
        "predict of a sentence, network": (*_command("predict", slow), "i liked it"),
        "evaluate of 20 reviews, fast model": (*_command("evaluate", run), *evaluate[1:]),
        "evaluate of 20 reviews, network": (*_command("evaluate", slow), *evaluate[1:]),
        "report": ("-m", "imdb_cls.report", str(run)),
    }
    for name, words in commands.items():
        with report.measuring(name):
            warm = least(lambda words=words: python(*words, code=None), rounds)  # type: ignore[misc]
            cold = python(*words, code=None, before=lambda: forget(directory))
        report.add(_row(name, warm, cold))
    phases = [training(directory / f"timed{number}") for number in range(rounds)]
    for name in phases[0]:
        report.add(_row(name, least(iter([p[name] for p in phases]).__next__, rounds), None))


def _command(name: str, run: Path) -> tuple[str, ...]:
    return ("-m", f"imdb_cls.{name}", f"run={run}")


def _row(name: str, warm: tuple[float, float], cold: tuple[float, float] | None) -> Row:
    return {
        "": name,
        **dict(zip(_STATISTICS, warm, strict=True)),
        "cold, wall s": cold[1] if cold else None,
    }


def least(measured: Callable[[], tuple[float, float]], rounds: int) -> tuple[float, float]:
    return min(measured() for _ in range(rounds))


def python(
    *words: str, code: int | None = 0, before: Callable[[], None] = lambda: None
) -> tuple[float, float]:
    """The CPU and the wall seconds of a whole process."""
    before()
    start, used = time.perf_counter(), _used()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if code is not None and done.returncode != code:
        sys.exit(done.stderr)
    return _used() - used, time.perf_counter() - start


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def forget(directory: Path) -> None:
    """Drops the environment's files, and those of the run, from the system's file cache."""
    if not hasattr(os, "posix_fadvise"):
        return
    for place in (Path(sysconfig.get_paths()["purelib"]), directory):
        for path in place.rglob("*"):
            if path.is_file() and path.suffix in (".py", ".pyc", ".so", ".onnx", ".safetensors"):
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def training(run: Path) -> dict[str, tuple[float, float]]:
    """CPU and wall seconds up to the first training step, and from the last one to the prompt."""
    words = [sys.executable, *_TRAIN, f"hydra.run.dir={run}"]
    start, marks = time.perf_counter(), list[tuple[str, float, float]]()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("step="):
                marks.append((line, cpu_of(process.pid), time.perf_counter()))
        used = cpu_of(process.pid)
        process.wait()
    end = time.perf_counter()
    trained = next(mark for mark in marks if " val/loss=" in mark[0])
    return {
        "train: to its first step": (marks[0][1], marks[0][2] - start),
        "train: from its last step to the prompt": (used - trained[1], end - trained[2]),
    }


def cpu_of(pid: int) -> float:
    """The CPU seconds that a process has used, from /proc (man 5 proc)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
