"""What the services of the local AWS need of the account: clients, its roles, threads."""

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import ClientError, ParamValidationError

ACCOUNT_ID = "123456789012"
# The access keys of the user, and of SageMaker in the name of the role.
_USER, ROLE_KEY = "rehearsal", "sagemaker"


class Refused(Exception):
    """A request is refused, with the code that AWS has for the reason."""

    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.code = code


class LocalAccount:
    """The account of a local AWS that listens at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = functools.cache(self._client)
        self._session = boto3.Session(ROLE_KEY, ROLE_KEY)
        self._session_lock = threading.Lock()
        self.closed = threading.Event()
        """Set once all that was started has to end."""
        self._threads: list[threading.Thread] = []

    def environment(self, region: str, key: str = _USER) -> dict[str, str]:
        """The variables that lead every AWS program here, with an access key."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), key),
            # The user's own files may hold a profile with any setting.
            **dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull),
            # A proxy of the user's does not lead to loopback.
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            **dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), region),
        }

    def _client(self, service: str, region: str) -> Any:
        with self._session_lock:  # boto3 makes one client at a time
            return self._session.client(service, region, endpoint_url=self.url)

    def provide(self, region: str, bucket: str, role: str) -> None:
        """Makes the bucket and the role."""
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3, iam = self.client("s3", region), self.client("iam", region)
        s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else place))
        iam.create_role(RoleName=role.split("/")[-1], AssumeRolePolicyDocument="{}")

    def check_role(self, arn: str, region: str) -> None:
        """Refuses a role that the account does not have."""
        try:
            self.client("iam", region).get_role(RoleName=arn.split("/")[-1])
        except (ClientError, ParamValidationError):
            raise Refused(
                f"Could not assume role {arn}. Please ensure that the role exists"
                " and allows principal 'sagemaker.amazonaws.com' to assume the role."
            ) from None

    def start(self, work: Callable[..., None], *arguments: Any) -> None:
        """Does work in a thread of its own, while requests are answered."""
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def close(self) -> None:
        """Waits until all that was started has ended."""
        self.closed.set()
        for thread in self._threads:
            thread.join(30)
