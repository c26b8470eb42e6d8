"""What a SageMaker training container expects of its program: files below /opt/ml.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html

The run directory lies in checkpoints/, which SageMaker copies to S3 while the job runs and brings
back when it is restarted. At the end the model goes to model/ and all other files of the run, but
for its checkpoints, to output/data/.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from imdb_cls.errors import UserError, as_user_error, one_line
from imdb_cls.terminal import is_rank_zero

ROOT = Path("/opt/ml")
# The first 1,024 characters of output/failure become the job's FailureReason.
_REASON_CHARACTERS = 1024


def job_name() -> str | None:
    """The name of the training job that this process belongs to, if it does."""
    return os.environ.get("TRAINING_JOB_NAME")


@contextlib.contextmanager
def results(root: Path, run: Path) -> Iterator[None]:
    """Copies the results of the run in `run` to where SageMaker wants them below `root` (/opt/ml),
    however the run ends, and writes there why it failed if it did."""
    # A signal without a handler does not end the first process of a container. The run sets its own
    # handler later.
    previous = signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    try:
        yield
    except Exception as error:
        _write_failure(root, error)
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        if is_rank_zero():
            _publish(root, run)
        elif os.environ.get("GROUP_RANK", "0") != "0":
            # Every host's checkpoints/ goes to the same place in S3. A restarted job gave this host
            # a copy that is older than what the first host has written since.
            shutil.rmtree(run, ignore_errors=True)


def check_gpu(root: Path) -> None:
    """Raises UserError if torch was built for CUDA and finds no GPU on an instance that has one: it
    is paid for its GPU."""
    import torch

    described = root / "input" / "config" / "resourceconfig.json"
    if not described.is_file():
        return
    kind = str(json.loads(described.read_text()).get("current_instance_type", ""))
    if kind.startswith(("ml.p", "ml.g")) and torch.version.cuda and not torch.cuda.is_available():
        raise UserError(
            f"{kind} has a GPU, but torch {torch.__version__} does not see it: its driver and the"
            " image do not fit each other; take another backend.image"
        )


def report_failure(error: Exception) -> None:
    """Tells SageMaker of an error that came before there was a run. Does nothing outside a job."""
    if job_name() and (ROOT / "output").is_dir():
        _write_failure(ROOT, error)


def _write_failure(root: Path, error: Exception) -> None:
    """If several processes fail, only the first one writes: the others fail because of it."""
    reason = as_user_error(error)
    text = one_line(reason or error, _REASON_CHARACTERS)
    if reason is None:
        frames = "".join(traceback.format_tb(error.__traceback__))
        text = f"{type(error).__name__}: {text}\n{frames}"
    path = root / "output" / "failure"
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        file.write(text[: 4 * _REASON_CHARACTERS])


def _publish(root: Path, run: Path) -> None:
    if (run / "model").is_dir():
        shutil.copytree(run / "model", root / "model", dirs_exist_ok=True)
    published_elsewhere = (run / "model", run / "checkpoints")
    for file in run.parent.rglob("*"):
        place = file.relative_to(run.parent)
        hidden = any(part.startswith(".") for part in place.parts)
        elsewhere = any(file.is_relative_to(path) for path in published_elsewhere)
        if file.is_file() and not (hidden or elsewhere or file.is_symlink()):
            target = root / "output" / "data" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
