"""A run's values in MLflow. If its server fails later on, the run goes on without it."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from pytorch_lightning.loggers import MLFlowLogger

from imdb_cls.config import Config, MlflowConfig
from imdb_cls.errors import UserError, one_line
from imdb_cls.loading import importing
from imdb_cls.runs.run import Run
from imdb_cls.training.loggers.mlflow_address import address, experiment

# The MLflow run of a run of ours has its logger_id there.
_TAG = "imdb_cls.logger_id"
# What MLflow may take for an answer, unless its own variables say otherwise: its defaults are 7
# tries of 120 s.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
_log = logging.getLogger("imdb_cls")


class MlflowLogger(MLFlowLogger):
    """Lightning's. The first thing that goes wrong is said, and nothing more is sent: metrics.csv
    has all values."""

    _failed = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._try(lambda: super(MlflowLogger, self).log_metrics(metrics, step))

    def finalize(self, status: str = "success") -> None:
        self._try(lambda: super(MlflowLogger, self).finalize(status))

    def _try(self, call: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            call()
        except Exception as error:  # there is no narrower one: each kind of store has its own
            self._failed = True
            said = f"MLflow does not take metrics (training goes on): {one_line(error)}"
            _log.warning(said)
            print(f"WARNING {said}", flush=True)


def start(settings: MlflowConfig, config: Config, run: Run, logger_id: str) -> MlflowLogger | None:
    """Begins an MLflow run, or goes on with the one that a resumed run began. None where that
    cannot be reached any more, which is said. A run that only begins is refused: raises UserError.
    """
    for variable, value in _PATIENCE.items():
        os.environ.setdefault(variable, value)
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    with importing(freeze=False):
        from mlflow import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)  # as it makes the tables of a new file
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # MLflow sets it when it is imported
    # That an experiment is not there yet is no news.
    logging.getLogger("pytorch_lightning.loggers.mlflow").setLevel(logging.ERROR)
    uri = address(settings) or f"sqlite:///{Path('mlflow.db').absolute()}"
    name = experiment(settings)
    try:
        client, earlier = MlflowClient(uri), None
        if known := client.get_experiment_by_name(name):
            found = client.search_runs([known.experiment_id], f"tags.`{_TAG}` = '{logger_id}'")
            earlier = found[0].info.run_id if found else None
        logger = MlflowLogger(
            experiment_name=name,
            run_name=settings.name or run.name,
            tracking_uri=uri,
            tags={_TAG: logger_id},
            log_model=False,
            run_id=earlier,
        )
        if earlier:
            client.update_run(earlier, status="RUNNING")
        else:
            logger.log_hyperparams(asdict(config))
    except Exception as error:
        what = f"logger=mlflow: {uri}: {one_line(error)}"
        if not run.table_file.exists():
            raise UserError(f"{what}; train without it with logger=none") from None
        _log.warning(what)
        print(f"WARNING {what}: training goes on without it", flush=True)
        return None
    return logger
