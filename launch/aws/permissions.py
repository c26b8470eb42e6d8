"""The least that a role and a user must be allowed for training jobs: the policies of
docs/sagemaker.md, on one bucket and in one account."""

from dataclasses import dataclass

_LOGS = (
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    "logs:DescribeLogStreams",
)
_IMAGES = (
    *("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability"),
    *("ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"),
)
_JOBS = (
    *("sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"),
    *("sagemaker:ListTrainingJobs", "sagemaker:Search", "sagemaker:AddTags"),
)
# For launch.jobs list.
_OTHERS = (
    *("sagemaker:ListTransformJobs", "sagemaker:DescribeTransformJob", "sagemaker:ListEndpoints"),
    *("sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:ListTags"),
)


@dataclass(frozen=True)
class Permission:
    actions: tuple[str, ...]
    resource: str
    """An ARN, which may end with a star."""


@dataclass(frozen=True)
class Place:
    """Where jobs leave something."""

    region: str
    account: str
    bucket: str
    prefix: str
    partition: str = "aws"
    """aws, aws-cn or aws-us-gov."""

    @property
    def files(self) -> str:
        return "/".join(filter(None, [f"arn:{self.partition}:s3:::{self.bucket}", self.prefix]))

    @property
    def logs(self) -> str:
        where = f"{self.partition}:logs:{self.region}:{self.account}"
        return f"arn:{where}:log-group:/aws/sagemaker/TrainingJobs*"


def of_role(place: Place) -> list[Permission]:
    """What SageMaker does in the role's name, without what a wandb key needs."""
    return [
        Permission(("s3:ListBucket",), f"arn:{place.partition}:s3:::{place.bucket}"),
        Permission(("s3:GetObject",), f"{place.files}/*"),
        Permission(
            ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"), f"{place.files}/jobs/*"
        ),
        Permission(_LOGS, place.logs),
        Permission(("cloudwatch:PutMetricData",), "*"),
        Permission(_IMAGES, "*"),
    ]


def of_user(place: Place, role: str) -> list[Permission]:
    """What our commands do for jobs that run as `role`, without what a wandb key needs."""
    return [
        Permission((*_JOBS, *_OTHERS), "*"),
        Permission(("iam:PassRole",), role),
        Permission(("s3:ListBucket",), f"arn:{place.partition}:s3:::{place.bucket}"),
        Permission(("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"), f"{place.files}/*"),
        Permission(("logs:DescribeLogStreams", "logs:GetLogEvents"), place.logs),
        Permission(("cloudwatch:GetMetricData", "sts:GetCallerIdentity"), "*"),
    ]
