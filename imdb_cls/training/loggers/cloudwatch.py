"""Metrics to Amazon CloudWatch, sent by a thread so that the training never waits for it."""

import contextlib
import logging
import queue
import threading
import time
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

from imdb_cls.config import CloudWatchConfig
from imdb_cls.errors import UserError, one_line
from imdb_cls.training.loggers.aws import region
from imdb_cls.training.loggers.base import ScalarLogger

# PutMetricData takes 1,000 metrics and 1 MB a call; one of ours is some 300 bytes on the wire.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
_METRICS_PER_CALL = 1000
# Values must lie within ±2^360, which NaN and infinities do not.
_GREATEST = 2.0**360
# Seconds that the end of a run may take until the last values are sent.
_LAST_CALL_S = 20.0


class CloudWatchLogger(ScalarLogger):
    """Sends every value under its own name, in a namespace and with dimensions.

    If CloudWatch fails, that is reported once, and the values that it did not take are lost to it.
    NaN and infinities cannot be sent. metrics.csv has them all. Without a region it is a UserError.
    """

    def __init__(self, settings: CloudWatchConfig, dimensions: dict[str, str]) -> None:
        super().__init__()
        self.settings = settings
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        self.common = {"Dimensions": named, "StorageResolution": 1}
        patience = BotoConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 3})
        try:
            session = boto3.Session(region_name=region(settings.region))
            self.client = session.client("cloudwatch", config=patience)
        except (BotoCoreError, ValueError) as error:
            raise UserError(f"logger=cloudwatch: {one_line(error)}") from None
        self._queue: queue.SimpleQueue[dict[str, Any] | threading.Event] = queue.SimpleQueue()
        self._failed = False
        threading.Thread(target=self._send_forever, name="cloudwatch", daemon=True).start()

    def write(self, metrics: dict[str, float], step: int, epoch: int) -> None:
        now = datetime.now(UTC)
        for name, value in metrics.items():
            if abs(value) <= _GREATEST:
                datum = {"MetricName": name, "Value": float(value), "Timestamp": now}
                self._queue.put(datum | self.common)

    def finalize(self, status: str) -> None:
        """Sends what is left. Called after the fit, and once more after the test metrics."""
        sent = threading.Event()
        self._queue.put(sent)
        if not sent.wait(_LAST_CALL_S):
            self._report("the last values did not reach it in time")

    def _send_forever(self) -> None:
        while True:
            item = self._queue.get()
            until = time.monotonic() + self.settings.flush_seconds
            batch: list[dict[str, Any]] = []
            with contextlib.suppress(queue.Empty):
                while not isinstance(item, threading.Event):
                    batch.append(item)
                    item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            for start in range(0, len(batch), _METRICS_PER_CALL):
                self._send(batch[start : start + _METRICS_PER_CALL])
            if isinstance(item, threading.Event):
                item.set()

    def _send(self, batch: list[dict[str, Any]]) -> None:
        try:
            self.client.put_metric_data(Namespace=self.settings.namespace, MetricData=batch)
        except (BotoCoreError, ClientError) as error:
            self._report(one_line(error))

    def _report(self, what: str) -> None:
        if not self._failed:
            self._failed = True
            said = f"CloudWatch does not take metrics (training goes on): {what}"
            logging.getLogger("imdb_cls").warning(said)
            print(f"WARNING {said}", flush=True)
