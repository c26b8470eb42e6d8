"""Fine-tune DistilBERT on movie reviews, on your own machine or on Amazon SageMaker."""

import os

__version__ = "0.1.0"

# No library calls home: each reads its variable when it is imported, which comes after this.
# SageMaker's SDK has none, and is told in launch/training/request.py.
NO_TELEMETRY = {
    "DO_NOT_TRACK": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "WANDB_ERROR_REPORTING": "false",
}
for _name, _value in NO_TELEMETRY.items():
    os.environ.setdefault(_name, _value)
