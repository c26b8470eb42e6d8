"""What is sent to AWS, literally: the model, and the transform job."""

from launch.aws.limits import Request, check_request
from launch.batches.options import BatchOptions
from launch.hosting.model import Model
from launch.hosting.names import PREFIX, RUN_TAG, as_tags, digest


def build(options: BatchOptions, model: Model, reviews: str) -> dict[str, Request]:
    """Operations and their requests, in the order in which they are sent. `reviews` is the S3
    object, or prefix, of the lines. Raises UserError for a request that AWS would refuse."""
    made, job = model.request(), _job(options, reviews)
    # Its content decides the job's name: the same command finds the same job.
    name = f"{PREFIX}batch-{digest([made, job])[:12]}"
    tags = {"Tags": as_tags({RUN_TAG: model.run.name, **options.tags})}
    output = {
        "S3OutputPath": model.account.store.folder("batch", name),
        "Accept": "application/json",
        "AssembleWith": "Line",
        **({"KmsKeyId": options.output_kms_key} if options.output_kms_key else {}),
    }
    job = {"TransformJobName": name, "ModelName": name, **job, "TransformOutput": output, **tags}
    requests = {"CreateModel": {"ModelName": name, **made, **tags}, "CreateTransformJob": job}
    for operation, request in requests.items():
        check_request(request, operation)
    return requests


def _job(options: BatchOptions, reviews: str) -> Request:
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
            "InstanceType": options.instance.name,
            "InstanceCount": options.count,
            **kms,
        },
    }
