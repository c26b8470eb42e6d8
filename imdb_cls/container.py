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
from contextlib import contextmanager
from pathlib import Path

from imdb_cls.errors import UserError, as_user_error, one_line
from imdb_cls.terminal import is_rank_zero

ROOT = Path("/opt/ml")
# Of output/failure the first 1,024 characters become the job's FailureReason.
_REASON_CHARACTERS = 1024


def job_name() -> str | None:
    """The training job that this process belongs to."""
    return os.environ.get("TRAINING_JOB_NAME")


@contextmanager
def results(root: Path, run: Path) -> Iterator[None]:
    """Leaves the results of the run in `run`, or the cause of its failure, where `root` (/opt/ml)
    wants them, however the run ends."""
    # The first process of a container is not ended by a signal that it has no handler for, and the
    # run itself has one only later.
    previous = signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    try:
        yield
    except Exception as error:
        _explain(root / "output" / "failure", error)
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        if is_rank_zero():
            _publish(root, run)
        elif os.environ.get("GROUP_RANK", "0") != "0":
            # Every host's checkpoints/ goes to the same place in S3. What this one was given when
            # the job was restarted is older than what the first host has written since.
            shutil.rmtree(run, ignore_errors=True)


def check_gpu(root: Path) -> None:
    """Refuses to train on the CPU of a machine that is paid for its GPU.

    Raises:
        UserError: a torch with CUDA finds no GPU on an instance that has one.
    """
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


def explain(error: Exception) -> None:
    """The same for an error before there is a run. Outside a job it does nothing."""
    if job_name() and (ROOT / "output").is_dir():
        _explain(ROOT / "output" / "failure", error)


def _explain(path: Path, error: Exception) -> None:
    """Of several processes the first to fail is the cause: the others fail because of it."""
    reason = as_user_error(error)
    text = one_line(reason or error, _REASON_CHARACTERS)
    if reason is None:
        text = f"{type(error).__name__}: {text}\n" + "".join(
            traceback.format_tb(error.__traceback__)
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        file.write(text[: 4 * _REASON_CHARACTERS])


def _publish(root: Path, run: Path) -> None:
    if (run / "model").is_dir():
        shutil.copytree(run / "model", root / "model", dirs_exist_ok=True)
    elsewhere = (run / "model", run / "checkpoints")
    for file in run.parent.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(run.parent).parts)
        kept_back = hidden or any(file.is_relative_to(path) for path in elsewhere)
        if file.is_file() and not file.is_symlink() and not kept_back:
            target = root / "output" / "data" / file.relative_to(run.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
