"""A run's model as SageMaker is told of it."""

from typing import Any

from imdb_cls.config import AwsConfig
from launch.hosting.account import Account


def model(options: AwsConfig, account: Account, image: str, archive: str) -> dict[str, Any]:
    """CreateModel's body without name and tags."""
    vpc = {"Subnets": options.subnets, "SecurityGroupIds": options.security_groups}
    return {
        "PrimaryContainer": {
            "Image": image,
            "ModelDataUrl": archive,
            "Environment": {
                "HF_TASK": "text-classification",
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
                # One model on all cores: else there is one a core, each with memory of its own.
                "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
                "SAGEMAKER_REGION": account.region,
            },
        },
        "ExecutionRoleArn": account.role,
        **({"VpcConfig": vpc} if options.subnets else {}),
        **({"EnableNetworkIsolation": True} if options.network_isolation else {}),
    }
