"""CloudWatch gets every finite value once; whatever it does, training goes on."""

import json
import math
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from imdb_cls.config import CloudWatchConfig
from imdb_cls.errors import UserError
from imdb_cls.names import LOGGED
from imdb_cls.runs.run import Run
from imdb_cls.training.loggers import cloudwatch
from imdb_cls.training.loggers.aws import dimensions
from imdb_cls.training.loggers.cloudwatch import CloudWatchLogger
from tests.support.local_aws import REGION
from tests.support.runs import Train, rows

DIMENSIONS = {"Run": "2026-11-22/22-41-00", "Job": "job-1"}


def make(**settings: Any) -> CloudWatchLogger:
    # No flush but those that finalize asks for, unless a test says otherwise.
    return CloudWatchLogger(CloudWatchConfig(**{"flush_seconds": 600, **settings}), DIMENSIONS)


def received(namespace: str = "imdb_cls") -> list[Any]:
    """What lies in the local CloudWatch."""
    from moto.cloudwatch.models import cloudwatch_backends

    everything = cloudwatch_backends["123456789012"][REGION].metric_data
    return [datum for datum in everything if datum.namespace == namespace]


def values() -> Counter[tuple[str, float]]:
    return Counter((datum.name, datum.value) for datum in received())


@pytest.mark.usefixtures("aws")
def test_values_arrive_exactly_with_the_dimensions_run_and_job() -> None:
    logger = make(namespace="ours")
    logger.log_metrics({"train/loss": 1 / 3, "train/learning_rate": 5e-05, "epoch": 0}, 1)
    logger.log_metrics({"val/mcc": -0.125, "epoch": 0}, 2)
    logger.finalize("success")
    data = received("ours")
    assert [(datum.name, datum.value) for datum in data] == [
        *(("train/loss", 1 / 3), ("train/learning_rate", 5e-05), ("val/mcc", -0.125)),
    ]
    for datum in data:
        assert {d.name: d.value for d in datum.dimensions} == DIMENSIONS
    assert received("imdb_cls") == []


@pytest.mark.usefixtures("aws")
def test_a_call_carries_no_more_values_than_the_service_takes() -> None:
    logger, sizes = make(), []

    def count(params: dict[str, Any], **kwargs: Any) -> None:
        sizes.append(len(params["MetricData"]))

    logger.client.meta.events.register("provide-client-params.cloudwatch.PutMetricData", count)
    for step in range(2500):
        logger.log_metrics({"train/loss": float(step)}, step)
    logger.finalize("success")
    assert sizes == [1000, 1000, 500]
    assert values() == Counter(("train/loss", float(step)) for step in range(2500))


@pytest.mark.usefixtures("aws")
def test_what_cloudwatch_does_not_take_is_left_out() -> None:
    logger = make()
    bad = [math.nan, math.inf, -math.inf, 1e300, -1e300]
    for step, value in enumerate(bad):
        logger.log_metrics({"val/loss": value, "val/ece": float(step)}, step)
    logger.finalize("success")
    assert values() == Counter(("val/ece", float(step)) for step in range(len(bad)))


@pytest.mark.usefixtures("aws")
def test_every_finalize_sends_what_is_left_once() -> None:
    """Lightning calls it after the fit; the test metrics come after that."""
    logger = make()
    logger.finalize("success")
    logger.log_metrics({"val/loss": 0.5}, 1)
    logger.finalize("success")
    assert values() == {("val/loss", 0.5): 1}
    logger.log_metrics({"test/loss": 0.25}, 1)
    logger.finalize("success")
    logger.finalize("success")
    assert values() == {("val/loss", 0.5): 1, ("test/loss", 0.25): 1}


@pytest.mark.usefixtures("aws")
def test_values_are_sent_while_the_training_goes_on() -> None:
    logger = make(flush_seconds=0.1)
    arrived = threading.Event()
    logger.client.meta.events.register(
        "after-call.cloudwatch.PutMetricData", lambda **kwargs: arrived.set()
    )
    logger.log_metrics({"train/loss": 0.5}, 1)
    assert arrived.wait(60)
    assert values() == {("train/loss", 0.5): 1}
    logger.finalize("success")


@pytest.mark.usefixtures("aws")
def test_only_the_first_of_all_processes_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    logger = make()
    logger.log_metrics({"train/loss": 0.5}, 1)
    logger.finalize("success")
    assert received() == []


# A CloudWatch that fails


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_CLOUDWATCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An AWS that answers nothing before this is set, and errors then."""
    answers = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answers.wait()
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield answers
    answers.set()
    server.shutdown()
    server.server_close()


WARNING = "WARNING CloudWatch does not take metrics (training goes on)"


def log_twice(logger: CloudWatchLogger) -> None:
    for step in (1, 2):
        logger.log_metrics({"train/loss": 0.5}, step)
        logger.finalize("success")


@pytest.mark.usefixtures("credentials")
def test_a_cloudwatch_that_answers_with_errors_is_reported_once(
    answers: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.set()
    log_twice(make())
    out = capsys.readouterr().out
    assert out.count(WARNING) == 1
    assert "500" in out
    assert len(out.splitlines()) == 1


@pytest.mark.usefixtures("credentials", "answers")
def test_the_end_of_a_run_does_not_wait_for_a_cloudwatch_that_never_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cloudwatch, "_LAST_CALL_S", 0.1)
    log_twice(make())
    # Reported by finalize, not by the client that still waits for its answer.
    out = capsys.readouterr().out
    assert out.count(WARNING) == 1
    assert "did not reach it in time" in out


@pytest.mark.usefixtures("credentials")
def test_without_credentials_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    log_twice(make())
    out = capsys.readouterr().out
    assert out.count(WARNING) == 1
    assert "credentials" in out


@pytest.mark.usefixtures("credentials")
def test_a_run_is_whole_though_nothing_takes_its_metrics(
    train_here: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # refuses every connection
    run = train_here(f"+logger.cloudwatch.region={REGION}")
    assert json.loads((run / "run.json").read_text())["status"] == "completed"
    assert {row["name"] for row in rows(run)} == set(LOGGED)
    assert capsys.readouterr().out.count(WARNING) == 1
    assert (run / "train.log").read_text().count("CloudWatch does not take metrics") == 1


@pytest.mark.usefixtures("aws")
def test_of_a_run_every_value_of_metrics_csv_is_in_cloudwatch_once(train_here: Train) -> None:
    run = train_here("+logger.cloudwatch.namespace=imdb_cls")
    assert values() == Counter((row["name"], float(row["value"])) for row in rows(run))
    assert {datum.name for datum in received()} == set(LOGGED)
    for datum in received():
        named = {dimension.name: dimension.value for dimension in datum.dimensions}
        assert named == {"Run": "/".join(run.parts[-2:]), "Job": "local"}


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine where no AWS region is set."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.mark.usefixtures("nowhere")
def test_without_a_region_it_is_refused() -> None:
    with pytest.raises(UserError, match="region") as error:
        make()
    assert len(str(error.value).splitlines()) == 1
    assert make(region=REGION).client.meta.region_name == REGION


@pytest.mark.usefixtures("nowhere")
def test_a_run_without_a_region_is_refused_before_it_begins(
    train_here: Train, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="region"):
        train_here("+logger.cloudwatch.namespace=imdb_cls")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("credentials")
def test_the_region_is_the_configs_then_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert make().client.meta.region_name == "eu-west-1"
    assert make(region="us-east-2").client.meta.region_name == "us-east-2"


def test_a_trials_values_name_its_sweep(tmp_path: Path) -> None:
    run = Run(tmp_path / "2026-11-24" / "3")
    run.path.mkdir(parents=True)
    for sweep, named in (("2026-11-24/15-04-11", {"Sweep": "2026-11-24/15-04-11"}), (None, {})):
        run.record(status="running", sweep=sweep)
        assert dimensions(run, "local") == {"Run": "2026-11-24/3", "Job": "local", **named}
