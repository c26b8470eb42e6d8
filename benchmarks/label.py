"""What labelling costs: `predict` and `serve` beside transformers.pipeline and ONNX Runtime's int8.

    python -m benchmarks.label RUN [reviews=2000] [rounds=2] [output=FILE]

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
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from benchmarks.bench import Report, Row
from imdb_cls import cli
from imdb_cls.data.load import load_splits
from imdb_cls.inference.engine import OnnxEngine
from imdb_cls.inference.labeller import Labeller
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model.open import open_labeller, settings_of
from imdb_cls.names import LABELS
from imdb_cls.runs.run import Run
from imdb_cls.terminal import quiet_libraries, quiet_loaded_libraries

PIPELINE = "transformers.pipeline"
TORCH = "the network in torch, fp32"
# Clients at once, and texts a request.
_MANY, _FEW = (4, 32), (8, 1)


@dataclass
class Arguments:
    reviews: int | None = 2000
    rounds: int | None = 2
    output: str | None = None
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


def pipeline(run: Path, **settings: int) -> Callable[[list[str]], list[str]]:
    from transformers import pipeline

    # Without truncation=True it fails on the first long review.
    model = pipeline("text-classification", str(run / "model"), truncation=True, **settings)
    return lambda texts: [row["label"] for row in model(texts)]


def plain_int8(run: Run, directory: Path) -> Callable[[list[str]], list[str]]:
    """ONNX Runtime's own dynamic quantization of the network, with its defaults, in our engine."""
    from onnxruntime.quantization import quantize_dynamic

    from imdb_cls.inference.network import load_trained
    from imdb_cls.model.onnx import graph
    from imdb_cls.model.onnx.encoder import Encoder

    whole, small = directory / "whole.fp32.onnx", directory / "plain.int8.onnx"
    graph.write(Encoder(load_trained(run.model_dir)), whole)
    quantize_dynamic(whole, small)
    settings = settings_of(run)
    tokenizer = HeadTailTokenizer.load(run.model_dir, settings.max_length, settings.head_fraction)
    model = Labeller(OnnxEngine(small), tokenizer, settings.temperature)
    return lambda texts: [LABELS[int(score > 0.5)] for score in model.probabilities(texts)]


def network(run: Run) -> Callable[[list[str]], list[str]]:
    """With the run's own truncation, which the pipeline does not know."""
    model = open_labeller(run, "cpu", "32-true")
    return lambda texts: [LABELS[int(score > 0.5)] for score in model.probabilities(texts)]


def main() -> None:
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], __doc__ or "", free="words")
        quiet_libraries()
        run = Run.open(given.words[0] if given.words else "", complete=True)
        measure(run, given, Report("label", asdict(given), given.output))


def measure(run: Run, given: Arguments, report: Report) -> None:
    quiet_loaded_libraries(bars=False)
    config, rounds = run.config(), given.rounds or 1
    test = load_splits(config.data, Path(config.cache_dir).expanduser()).test
    reviews = test.reviews[: given.reviews]
    texts, truth = list(reviews["text"]), np.array(reviews["label"])
    with (
        serving(run.path) as (port, ready),
        tempfile.TemporaryDirectory() as scratch,
        report.measuring("a few reviews, to warm up"),
    ):
        report.facts["server"] = ready
        many, few, alone = (Client(port) for _ in range(3))
        contenders = {
            PIPELINE: Contender(pipeline(run.path)),
            f"{PIPELINE}, batches of 32": Contender(pipeline(run.path, batch_size=32)),
            TORCH: Contender(network(run)),
            "ONNX Runtime's own int8": Contender(plain_int8(run, Path(scratch))),
            "predict, the whole command": Contender(lambda texts: predict(run.path, texts)),
            f"serve, {_MANY[0]} clients × {_MANY[1]} texts": Contender(
                lambda texts: many.label(texts, *_MANY)
            ),
            f"serve, {_FEW[0]} clients × 1 text": Contender(lambda texts: few.label(texts, *_FEW)),
            "serve, 1 client × 1 text": Contender(lambda texts: alone.label(texts, 1, 1)),
        }
        for contender in contenders.values():
            contender.label(texts[:8])
        few.latencies.clear()
        alone.latencies.clear()
        names = list(contenders)
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                with report.measuring(f"round {number + 1} of {rounds}: {name}"):
                    contender = contenders[name]
                    begin = time.perf_counter()
                    contender.labels = contender.label(texts)
                    contender.seconds += time.perf_counter() - begin
    latencies = {names[-2]: few.latencies, names[-1]: alone.latencies}
    for name in contenders:
        report.add(_row(name, contenders, rounds, truth, latencies.get(name)))
    report.close()


def _row(
    name: str,
    contenders: dict[str, Contender],
    rounds: int,
    truth: np.ndarray,
    latencies: list[float] | None,
) -> Row:
    contender, reference = contenders[name], contenders[PIPELINE]
    labels = np.array(contender.labels)
    equal = [(labels == np.array(contenders[other].labels)).mean() for other in (PIPELINE, TORCH)]
    right = ((labels == "POSITIVE") == (truth == 1)).mean()
    p50, p95 = np.percentile(latencies, [50, 95]).tolist() if latencies else (None, None)
    return {
        "": name,
        "reviews/s": rounds * len(labels) / contender.seconds,
        "× pipeline": reference.seconds / contender.seconds,
        "= pipeline's": f"{equal[0]:.1%}",
        "= torch's": f"{equal[1]:.1%}",
        "accuracy": f"{right:.4f}",
        "p50, s": p50,
        "p95, s": p95,
    }


if __name__ == "__main__":
    main()
