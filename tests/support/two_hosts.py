"""A job on two hosts whose user has secrets all around, and all that arrives at AWS of it."""

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import launch
from imdb_cls.config import CONF_DIR
from launch.rehearsal.aws import LocalAWS
from tests.support.local_aws import BUCKET, REGION, ROLE, GuardedAWS
from tests.support.planted import plant
from tests.support.policies import documented
from tests.support.processes import started, until
from tests.support.rehearsed import IMPATIENT

_ACCOUNT = "123456789012"
HOSTS = ("algo-1", "algo-2")
# Each rank draws its own dropout, so there is none. 193 and 41 reviews do not divide by two.
SAME = (
    *("model.dropout=0", "model.classifier_dropout=0"),
    *("data.train_size=193", "data.val_size=41"),
)
KEY = "89abcdef0123456789abcdef0123456789planted"


class Recording(GuardedAWS):
    """Keeps every request that it gets, and refuses what docs/sagemaker.md does not allow."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        super().__init__(*documented("sagemaker.md", BUCKET, ROLE))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(
            -1
            if environ.get("HTTP_TRANSFER_ENCODING") == "chunked"
            else int(environ.get("CONTENT_LENGTH") or 0)
        )
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        plain = gzip.decompress(body) if environ.get("HTTP_CONTENT_ENCODING") == "gzip" else body
        said = [f"{k}: {v}" for k, v in environ.items() if k.startswith(("HTTP_", "PATH", "QUERY"))]
        self.requests.append("\n".join(said).encode() + b"\n\n" + plain)
        return super().__call__(environ, start_response)


def checkout(path: Path) -> None:
    """A copy of this checkout with secrets in it, none of them tracked."""
    root = Path(launch.__file__).parent.parent
    for name, source in (("launch", root / "launch"), ("imdb_cls", root / "imdb_cls")):
        shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__", "conf"))
    shutil.copytree(CONF_DIR, path / "conf")
    for words in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", "-C", str(path), *words], check=True)
    for place in (".env", ".netrc", "conf/private.yaml", "imdb_cls/private.py", "outputs/run.json"):
        (path / place).parent.mkdir(exist_ok=True)
        (path / place).write_text("key = 'planted-dotenv'")


def carry_out(path: Path, aws: LocalAWS, tiny: list[str]) -> dict[str, Any]:
    """The user's part."""
    ours = plant(path / "home", path / "here")
    # His keys lie in ~/.aws/credentials.
    unset = ("AWS_ACCESSKEY_ID", "AWS_SECRET_ACCESSKEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    environment = {k: v for k, v in os.environ.items() if k not in unset} | ours
    environment |= {"AWS_ENDPOINT_URL": aws.url, "AWS_REGION": REGION, "OURKEY": KEY}
    environment |= {"PYTHONPATH": str(path / "checkout"), "MPLCONFIGDIR": str(path.parent)}
    words = [
        *(word for word in tiny if not word.startswith("logger")),
        *(*SAME, "backend.instance_count=2"),
        *("logger=[wandb,cloudwatch]", "logger.wandb.mode=offline"),
        *("logger.wandb.key_env=OURKEY", "logger.cloudwatch.flush_seconds=1"),
        *("+backend=sagemaker", f"backend.role={ROLE}", f"backend.bucket={BUCKET}"),
        *("backend.max_seconds=200", "backend.poll_seconds=0.2", f"hydra.run.dir={path}/run"),
        "backend.spot=true",
    ]
    here = {"cwd": path / "here", "env": environment}
    with started([sys.executable, "-m", "imdb_cls.train", *words], **here) as process:
        begun = until(process, "Starting training script")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    (name,) = [job.name for job in aws.training.jobs.all()] or [""]
    seen = {"name": name, "submitted": begun + rest, "code": process.returncode}
    assert name, seen
    seen["stopped"] = aws.training.jobs.get(name, REGION).stop.is_set()
    for command in ("attach", "metrics"):
        done = subprocess.run(
            [sys.executable, "-c", IMPATIENT, command, str(path / "run")],
            capture_output=True,
            text=True,
            timeout=240,
            **here,
        )
        assert done.returncode == 0, seen["submitted"] + done.stdout[-3000:] + done.stderr
        seen[command] = done.stdout
    return seen


def keep(path: Path, aws: Recording, name: str) -> None:
    """Writes down all that arrived at AWS."""
    from moto.cloudwatch.models import MetricDatum, cloudwatch_backends

    for number, request in enumerate(aws.requests):
        (path / f"request-{number}").write_bytes(request)
    s3, logs = aws.client("s3", REGION), aws.client("logs", REGION)
    for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        target = path / "s3" / item["Key"]
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(BUCKET, item["Key"], str(target))
        if target.suffix == ".gz":
            with tarfile.open(target) as tar:
                tar.extractall(f"{target}.d", filter="data")
    group = "/aws/sagemaker/TrainingJobs"
    streams = [
        logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/{host}-")
        for host in HOSTS
    ]
    events = [
        [
            event
            for stream in found["logStreams"]
            for event in logs.get_log_events(
                logGroupName=group,
                logStreamName=stream["logStreamName"],
                startFromHead=True,
                limit=10000,
            )["events"]
        ]
        for found in streams
    ]
    data = [
        (d.namespace, {i.name: i.value for i in d.dimensions}, d.name, d.value)
        for d in cloudwatch_backends[_ACCOUNT][REGION].metric_data
        if isinstance(d, MetricDatum)
    ]
    listed = aws.client("secretsmanager", REGION).list_secrets()["SecretList"]
    kept = {
        "request": aws.training.jobs.get(name, REGION).request,
        "logs": [[event["message"] for event in host] for host in events],
        "metrics": [d for d in data if name in d[1].values()],
        "secrets": [secret["Name"] for secret in listed],
    }
    (path / "kept.json").write_text(json.dumps(kept))
