"""Where a run's MLflow is, and in which experiment it stands."""

import os

from imdb_cls.config import MlflowConfig
from imdb_cls.config.checks import check_no_password


def address(settings: MlflowConfig) -> str | None:
    """Where the config or the environment says that MLflow is. Raises UserError for a password."""
    here = os.environ.get("MLFLOW_TRACKING_URI")
    check_no_password("MLFLOW_TRACKING_URI", here)
    return settings.tracking_uri or here


def experiment(settings: MlflowConfig) -> str:
    return settings.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "imdb_cls"
