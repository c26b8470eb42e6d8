"""What labelling costs: `predict`, `serve` and transformers.pipeline on the same reviews.

    python benchmarks/serving.py RUN [reviews=2000] [rounds=2]

The first reviews of the run's own test split, and the shares of labels that are the pipeline's and
the network's in torch: the pipeline cuts a long review's end off, a run keeps it. Each round
has another order of the contenders. The server's clients run on the same machine. Machines differ
and share their cores: trust the ratios within one run.
"""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from rich.console import Console

from imdb_cls import cli
from imdb_cls.data.load import load_splits
from imdb_cls.inference.engine import cores
from imdb_cls.model.open import open_labeller
from imdb_cls.names import LABELS
from imdb_cls.runs.run import Run
from imdb_cls.terminal import as_table, quiet_libraries, quiet_loaded_libraries

USAGE = """
usage: python benchmarks/serving.py RUN [reviews=2000] [rounds=2]
"""
PIPELINE = "transformers.pipeline"
TORCH = "the network in torch, fp32"
# Clients at once, and texts a request.
_MANY, _FEW = (4, 32), (8, 1)


@dataclass
class Arguments:
    reviews: int | None = 2000
    rounds: int | None = 2
    words: list[str] = field(default_factory=list)


@dataclass
class Contender:
    label: Callable[[list[str]], list[str]]
    """[texts] to their labels."""
    seconds: float = 0.0
    labels: list[str] = field(default_factory=list)


class Client:
    """Requests to a server, from several threads."""

    def __init__(self, port: int) -> None:
        self._port, self._own = port, threading.local()
        self.latencies: list[float] = []

    def label(self, texts: list[str], clients: int, size: int) -> list[str]:
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        with ThreadPoolExecutor(clients) as pool:
            return [label for labels in pool.map(self._ask, parts) for label in labels]

    def _ask(self, texts: list[str]) -> list[str]:
        if not hasattr(self._own, "connection"):
            self._own.connection = HTTPConnection("127.0.0.1", self._port)
        begin = time.perf_counter()
        self._own.connection.request(
            "POST",
            "/invocations",
            json.dumps({"inputs": texts}),
            {"Content-Type": "application/json"},
        )
        answer = self._own.connection.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            sys.exit(f"the server refused: {content}")
        if len(texts) == 1:
            self.latencies.append(time.perf_counter() - begin)
        return [row["label"] for row in content]


@contextlib.contextmanager
def serving(run: Path) -> Iterator[tuple[int, str]]:
    """A server's port, and its own line."""
    words = [sys.executable, "-m", "launch.endpoint", "serve", str(run), "port=0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            ready = process.stdout.readline().strip()
            found = re.search(r":(\d+) \(", ready)
            if not found:
                sys.exit("the server did not start")
            yield int(found[1]), ready
        finally:
            process.terminate()


def predict(run: Path, texts: list[str]) -> list[str]:
    """The whole command, its start included."""
    with tempfile.TemporaryDirectory() as directory:
        given, output = Path(directory) / "in.jsonl", Path(directory) / "out.jsonl"
        given.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        words = [f"run={run}", f"input={given}", f"output={output}"]
        subprocess.run([sys.executable, "-m", "imdb_cls.predict", *words], check=True)
        return [json.loads(line)["label"] for line in output.read_text().splitlines()]


def pipeline(run: Path) -> Callable[[list[str]], list[str]]:
    from transformers import pipeline

    # Without truncation=True it fails on the first long review.
    model = pipeline("text-classification", str(run / "model"), truncation=True)
    return lambda texts: [row["label"] for row in model(texts)]


def network(run: Run) -> Callable[[list[str]], list[str]]:
    """With the run's own truncation, which the pipeline does not know."""
    model = open_labeller(run, "cpu", "32-true")
    return lambda texts: [LABELS[int(score > 0.5)] for score in model.probabilities(texts)]


def main() -> None:
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], USAGE, free="words")
        quiet_libraries()
        run = Run.open(given.words[0] if given.words else "", complete=True)
        measure(run, given.reviews or 0, given.rounds or 0)


def measure(run: Run, count: int, rounds: int) -> None:
    quiet_loaded_libraries(bars=False)
    config = run.config()
    test = load_splits(config.data, Path(config.cache_dir).expanduser()).test.reviews[:count]
    texts, truth = list(test["text"]), np.array(test["label"])
    console = Console(highlight=False, width=120)
    with serving(run.path) as (port, ready):
        console.print(f"{ready}\n{len(texts):,} reviews, {rounds} rounds, {cores()} cores")
        many, few, alone = (Client(port) for _ in range(3))
        contenders = {
            PIPELINE: Contender(pipeline(run.path)),
            TORCH: Contender(network(run)),
            "predict, the whole command": Contender(lambda texts: predict(run.path, texts)),
            f"serve, {_MANY[0]} clients × {_MANY[1]} texts": Contender(
                lambda texts: many.label(texts, *_MANY)
            ),
            f"serve, {_FEW[0]} clients × 1 text": Contender(lambda texts: few.label(texts, *_FEW)),
            "serve, 1 client × 1 text": Contender(lambda texts: alone.label(texts, 1, 1)),
        }
        for contender in contenders.values():
            contender.label(texts[:8])  # warm
        few.latencies.clear()
        alone.latencies.clear()
        names = list(contenders)
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                contender = contenders[name]
                begin = time.perf_counter()
                contender.labels = contender.label(texts)
                contender.seconds += time.perf_counter() - begin
    latencies = {names[-2]: few.latencies, names[-1]: alone.latencies}
    rows = [_row(name, contenders, rounds, truth, latencies.get(name)) for name in contenders]
    console.print(as_table(rows, "", boxed=console.is_terminal))


def _row(
    name: str,
    contenders: dict[str, Contender],
    rounds: int,
    truth: np.ndarray,
    latencies: list[float] | None,
) -> dict[str, str]:
    contender, reference = contenders[name], contenders[PIPELINE]
    labels = np.array(contender.labels)
    equal = [(labels == np.array(contenders[other].labels)).mean() for other in (PIPELINE, TORCH)]
    right = ((labels == "POSITIVE") == (truth == 1)).mean()
    p50, p95 = np.percentile(latencies, [50, 95]) * 1000 if latencies else (0, 0)
    return {
        "": name,
        "reviews/s": f"{rounds * len(labels) / contender.seconds:.1f}",
        "×": f"{reference.seconds / contender.seconds:.1f}",
        "= pipeline's": f"{equal[0]:.1%}",
        "= torch's": f"{equal[1]:.1%}",
        "accuracy": f"{right:.4f}",
        "p50": f"{p50:.1f} ms" if latencies else "",
        "p95": f"{p95:.1f} ms" if latencies else "",
    }


if __name__ == "__main__":
    main()
