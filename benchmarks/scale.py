"""What a million reviews take: seconds a review and the most memory of each step, beside 5,000.

    python -m benchmarks.scale [sizes=5000,1000000] [output=FILE]

The packaged reviews over and over, each with its number behind it, in one csv file. Every step is a
process of its own: reading into the cache, reading again, drawing the splits, tokenizing, and
`predict` with the fast model of a tiny network, which takes no time itself. Needs about 6 kB of
disk a review.
"""

import csv
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir

from benchmarks.bench import Report, child
from imdb_cls import cli, predict
from imdb_cls.config import CONF_DIR, Config, parse
from imdb_cls.data import sources
from imdb_cls.data.load import load_splits
from imdb_cls.data.reviews import Layout
from imdb_cls.data.splits import Split, Splits
from imdb_cls.data.tokens import tokenize
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from tests.support.models import make_tiny

_CACHE = Path(Config.cache_dir).expanduser()
_STEPS = ("read", "read again", "split", "tokenize", "predict")
# Of a run that only gives a model to label with.
_LENGTH = 256


@dataclass
class Arguments:
    sizes: str = "5000,1000000"
    output: str | None = None


def main() -> None:
    if sys.argv[1:2] == ["--step"]:
        name, file, directory = sys.argv[2:]
        print(json.dumps(step(name, Path(file), Path(directory))))
        return
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], __doc__ or "")
        report = Report("scale", asdict(given), given.output)
        first: dict[str, tuple[float, float]] = {}
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            with report.measuring("a run with a tiny network"):
                child(["-m", "benchmarks.scale", "--step", "train", "", name])
            for size in map(int, given.sizes.split(",")):
                file = directory / f"{size}.csv"
                with report.measuring(f"{size:,} reviews are written"):
                    write(file, size)
                for what in _STEPS:
                    with report.measuring(f"{size:,} reviews: {what}"):
                        words = ["-m", "benchmarks.scale", "--step", what, str(file), name]
                        found = child(words)
                    micro, most = 1e6 * found["seconds"] / size, found["peak"] / 1e6
                    before = first.setdefault(what, (micro, most))
                    report.add(
                        {
                            "": f"{what}, {size:,} reviews",
                            "seconds": found["seconds"],
                            "µs a review": micro,
                            "×": micro / before[0],
                            "peak MB": most,
                            "× memory": most / before[1],
                        }
                    )
                file.unlink()
        report.close()


def write(file: Path, size: int) -> None:
    """Writes so many distinct reviews of both labels."""
    known = sources.load(_config("data=imdb_packaged").data, _CACHE)["train"].shuffle(seed=1)
    reviews = zip(list(known["text"]), list(known["label"]), strict=True)
    with file.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(["text", "label"])
        for number, (text, label) in enumerate(itertools.islice(itertools.cycle(reviews), size)):
            rows.writerow([f"{text} {number}", label])


def _config(*overrides: str) -> Config:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return parse(compose("train", list(overrides)))


def step(name: str, file: Path, directory: Path) -> dict[str, float]:
    """Carries out one step, and gives its seconds and the most bytes of memory that it took."""
    steps = {"read": _read, "read again": _read, "split": _split, "tokenize": _tokenize}
    steps |= {"predict": _predict, "train": _train}
    start, done = time.perf_counter(), threading.Event()
    with ThreadPoolExecutor(1) as other:
        peak = other.submit(_most_memory, done)
        try:
            steps[name](file, directory)
        finally:
            done.set()
        return {"seconds": time.perf_counter() - start, "peak": peak.result()}


def _most_memory(done: threading.Event) -> float:
    """The most bytes of its own that this process has until then, looked up every 10 ms (Linux).
    Pages of mapped files are not counted: the system takes them back when it needs them."""
    most = 0
    while not done.wait(0.01):
        status = Path("/proc/self/status").read_text()
        most = max(most, int(status.partition("RssAnon:")[2].split()[0]))
    return 1024.0 * most


def _read(file: Path, directory: Path) -> None:
    sources.load_files(str(file), Layout("text", "label"), directory / "cache")


def _split(file: Path, directory: Path) -> None:
    _splits(file, directory)


def _splits(file: Path, directory: Path) -> Splits:
    files = f"data.train={file}", "data.train_size=null", "data.test_size=null"
    return load_splits(_config("data=files", *files).data, directory / "cache")


def _tokenize(file: Path, directory: Path) -> None:
    tokenizer = HeadTailTokenizer.load(directory / "run" / "model", _LENGTH, 0.25)
    for split in vars(_splits(file, directory)).values():
        if isinstance(split, Split):
            tokenize(split, tokenizer, directory / "cache")


def _predict(file: Path, directory: Path) -> None:
    output = directory / "labels.parquet"
    predict.predict(predict.Arguments(str(directory / "run"), str(file), output=str(output)))
    output.unlink()


def _train(_: Path, directory: Path) -> None:
    make_tiny(directory / "tiny")
    words = [
        *("experiment=quickstart", "model=distilbert", "model.pretrained.source=local"),
        *(f"model.pretrained.name={directory}/tiny", f"data.max_length={_LENGTH}"),
        *("data.train_size=320", "data.val_size=100", "data.test_size=2", "report=false"),
        *("logger=none", "trainer.progress=lines", f"hydra.run.dir={directory}/run"),
    ]
    done = subprocess.run([sys.executable, "-m", "imdb_cls.train", *words], capture_output=True)
    if done.returncode:
        sys.exit(done.stderr.decode())


if __name__ == "__main__":
    main()
