"""Where a job's MLflow is."""

from imdb_cls.config import Config
from imdb_cls.errors import UserError
from imdb_cls.training.loggers.mlflow_address import address


def choose_mlflow(config: Config) -> list[str]:
    """Writes the address of MLflow into the config that the job gets. Returns a line for the plan.
    Raises UserError if the job could not reach it."""
    mlflow, backend = config.logger.mlflow, config.backend
    if mlflow is None or backend is None:
        return []
    uri = address(mlflow) or ""
    if not uri.startswith(("http://", "https://", "arn:")):
        raise UserError(
            f"logger.mlflow.tracking_uri={uri or 'null'}: a job needs a server's address or an ARN:"
            " a file would stay in its container"
        )
    if backend.network_isolation:
        raise UserError("logger=mlflow: a job in network isolation reaches no MLflow")
    mlflow.tracking_uri = uri
    return [f"MLflow: {uri}"]
