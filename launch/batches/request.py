"""What is sent to AWS, literally: the model, and the transform job."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from imdb_cls.runs.run import Run
from launch.aws.instances import instance_of
from launch.aws.limits import check
from launch.batches.options import Options
from launch.endpoints import names
from launch.endpoints.names import Request, tags
from launch.hosting.account import Account
from launch.hosting.model import model as model_request


def build(
    options: Options, run: Run, account: Account, image: str, archive: str, reviews: str
) -> tuple[Request, Request]:
    """CreateModel's and CreateTransformJob's request.

    Args:
        archive: where the model.tar.gz will lie.
        reviews: the S3 object, or prefix, of the requests.

    Raises:
        UserError: AWS would refuse it.
    """
    model = model_request(options, account, image, archive)
    job = _job(options, reviews)
    # What it does decides its name: the same command finds the same job.
    content = json.dumps([model, job], sort_keys=True).encode()
    name = f"{names.PREFIX}batch-{hashlib.sha256(content).hexdigest()[:12]}"
    marks = {"Tags": tags(**{names.RUN_TAG: run.name, **options.tags})}
    kms = {"KmsKeyId": options.output_kms_key} if options.output_kms_key else {}
    requests = (
        {"ModelName": name, **model, **marks},
        {
            "TransformJobName": name,
            "ModelName": name,
            **job,
            "TransformOutput": {
                "S3OutputPath": account.store.folder("batch", name),
                "Accept": "application/json",
                "AssembleWith": "Line",
                **kms,
            },
            **marks,
        },
    )
    check(requests[0], "CreateModel")
    check(requests[1], "CreateTransformJob")
    return requests


def _job(options: Options, reviews: str) -> Request:
    kms = {"VolumeKmsKeyId": options.volume_kms_key} if options.volume_kms_key else {}
    return {
        # Every line is a request of its own, which may hold many texts.
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": options.max_concurrency,
        "MaxPayloadInMB": 6,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 600, "InvocationsMaxRetries": 1},
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": reviews}},
            "ContentType": "application/json",
            "SplitType": "Line",
        },
        "TransformResources": {
            "InstanceType": instance_of(options).name,
            "InstanceCount": options.count,
            **kms,
        },
    }


def seconds(description: dict[str, Any]) -> float:
    """That a job is billed for, or would be if it ended now."""
    begun = description.get("TransformStartTime")
    if begun is None:
        return 0.0
    end = description.get("TransformEndTime") or datetime.now(UTC)
    return max(0.0, float((end - begun).total_seconds()))
