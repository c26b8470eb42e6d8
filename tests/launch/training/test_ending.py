"""Why a job ended, and the end of its log."""

import pytest

from launch.training.ending import own_lines, reason_of

SCRIPT = [
    *("Starting training script", "++ echo 'Setting up environment variables'"),
    *("Environment Variables:", "SM_MODEL_DIR=/opt/ml/model", "SM_NUM_CPUS=8", "++ set +x"),
    *("++ cd /opt/ml/input/data/code", "Installing requirements"),
]
CALL = ["Executing command: exec python -m imdb_cls.train", "+++ exec python -m imdb_cls.train"]
OWN = ["run directory: /opt/ml/checkpoints/run", "error: no such column"]


@pytest.mark.parametrize(
    ("lines", "own"),
    [
        ([*SCRIPT, *CALL, *OWN], OWN),
        (
            [*SCRIPT, "no matching distribution"],
            ["Installing requirements", "no matching distribution"],
        ),
        ([*SCRIPT, *CALL], []),
        # An interrupted spot job begins anew.
        ([*SCRIPT, *CALL, "the first", *SCRIPT, *CALL, *OWN], OWN),
        (
            [f"[{host}] {line}" for host in ("algo-1", "algo-2") for line in SCRIPT + CALL + OWN],
            [f"[{host}] {line}" for host in ("algo-1", "algo-2") for line in OWN],
        ),
        ([], []),
    ],
)
def test_the_end_of_a_log_is_the_jobs_own(lines: list[str], own: list[str]) -> None:
    assert own_lines(lines) == own


@pytest.mark.parametrize(
    ("said", "is_memory"),
    [
        ("AlgorithmError: , exit code: 137", True),
        ("AlgorithmError: ExecuteUserScriptError: ExitCode 137", True),
        ("ChildFailedError: train FAILED, exitcode: -9 (pid: 7)", True),
        ("AlgorithmError: no such column, exit code: 1", False),
        ("AlgorithmError: exit code: 1370", False),
    ],
)
def test_a_job_that_was_killed_says_that_its_memory_was_full(said: str, is_memory: bool) -> None:
    reason = reason_of({"FailureReason": said, "SecondaryStatus": "Failed"})
    assert reason.startswith(said)
    assert ("memory is full: a smaller data.batch_size" in reason) == is_memory


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity.", "Failed"),
        ("it waited for a machine", "MaxPendingTimeExceeded"),
    ],
)
def test_where_no_machine_was_found_others_are_named(said: str, phase: str) -> None:
    there = {
        "FailureReason": said,
        "SecondaryStatus": phase,
        "ResourceConfig": {"InstanceType": "ml.p3.2xlarge"},
    }
    reason = reason_of(there)
    two = "backend.instance_type=ml.g6.xlarge or backend.instance_type=ml.g5.xlarge"
    assert reason.startswith(f"{said.rstrip('.')}: take {two}, or ask for more of ")
    assert "'ml.p3.2xlarge for training job usage'" in reason
    there |= {"SecondaryStatus": "Failed", "FailureReason": "its own"}
    assert reason_of(there) == "its own"
