"""The least policies in docs/, and what a request to AWS needs of them."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.iam.access_control import IAMPolicyStatement, PermissionResult

DOCS = Path(__file__).parents[2] / "docs"
_ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Need:
    """An action of IAM on a resource."""

    action: str
    resource: str = "*"


@dataclass
class Policy:
    """
    Args:
        allowed: every action with every resource of its statement.
    """

    allowed: list[Need]
    used: set[Need] = field(default_factory=set)
    """Those of `allowed` that were needed."""
    refused: list[Need] = field(default_factory=list)

    def allow(self, needs: list[Need]) -> bool:
        """Asks moto whether statements match all needs, and takes note."""
        is_allowed = True
        for need in needs:
            granting = [one for one in self.allowed if _matches(one, need)]
            self.used.update(granting)
            if not granting:
                self.refused.append(need)
                is_allowed = False
        return is_allowed

    def unused(self) -> set[str]:
        """The actions, with their resources where these are not all, that nothing has needed."""
        left = [one for one in self.allowed if one not in self.used]
        return {one.action + f" {one.resource}" * (one.resource != "*") for one in left}


def documented(file: str, bucket: str, role: str) -> tuple[Policy, Policy]:
    """The role's and the user's policy of a file in docs/, for this bucket and this role."""
    text = (DOCS / file).read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    of_role, of_user = (block for block in blocks if '"Version": "2012-10-17"' in block)
    return _policy(of_role, bucket, role), _policy(of_user, bucket, role)


def of_users(bucket: str, role: str) -> Policy:
    """The user's policies of both files together."""
    found = [documented(file, bucket, role)[1] for file in ("sagemaker.md", "serving.md")]
    return Policy([one for policy in found for one in policy.allowed])


def _policy(block: str, bucket: str, role: str) -> Policy:
    block = block.replace("arn:aws:iam::111122223333:role/my-role", role)
    allowed = []
    for statement in json.loads(block.replace("my-bucket", bucket))["Statement"]:
        # moto takes a statement with a condition for granted: none has one.
        assert statement.keys() == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        for action in _listed(statement["Action"]):
            allowed += [Need(action, resource) for resource in _listed(statement["Resource"])]
    return Policy(allowed)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _matches(allowed: Need, need: Need) -> bool:
    statement = {"Effect": "Allow", "Action": allowed.action, "Resource": allowed.resource}
    found = IAMPolicyStatement(statement).is_action_permitted(need.action, need.resource)
    return found is PermissionResult.PERMITTED


def needs(environ: dict[str, Any], body: bytes) -> list[Need]:
    """What AWS wants to be allowed for a request.

    https://docs.aws.amazon.com/service-authorization/latest/reference/
    """
    region, service = environ["HTTP_AUTHORIZATION"].split("/")[2:4]
    if service == "s3":
        return [_of_s3(environ)]
    path = environ["PATH_INFO"]
    if invoked := re.fullmatch(r"/endpoints/[^/]+/(async-)?invocations", path):
        return [Need("sagemaker:InvokeEndpoint" + "Async" * bool(invoked[1]))]
    target = environ.get("HTTP_X_AMZ_TARGET", "") or path.replace("/", ".")
    operation = target.rpartition(".")[2] or parse_qs(body.decode())["Action"][0]
    asked = json.loads(body) if service in ("logs", "secretsmanager", "sagemaker") else {}
    prefix = {"monitoring": "cloudwatch"}.get(service, service)
    resource, others = "*", []
    if service == "logs":
        stream = asked.get("logStreamName")
        resource = f"arn:aws:logs:{region}:{_ACCOUNT}:log-group:{asked['logGroupName']}"
        resource += f":log-stream:{stream}" if stream else ""
    elif service == "secretsmanager":
        secret = asked.get("SecretId") or asked["Name"]
        resource = f"arn:aws:secretsmanager:{region}:{_ACCOUNT}:secret:{secret}-AbCdEf"
    elif service == "sagemaker":
        if role := asked.get("RoleArn") or asked.get("ExecutionRoleArn"):
            others.append(Need("iam:PassRole", role))
        if operation.startswith("Create") and asked.get("Tags"):
            others.append(Need("sagemaker:AddTags"))
    return [Need(f"{prefix}:{operation}", resource), *others]


def _of_s3(environ: dict[str, Any]) -> Need:
    bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
    method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
    if not key:
        action = {"PUT": "CreateBucket"}.get(method, "ListBucket")
    elif method == "DELETE":
        action = "AbortMultipartUpload" if "uploadId=" in query else "DeleteObject"
    else:
        action = "GetObject" if method in ("GET", "HEAD") else "PutObject"
    return Need(f"s3:{action}", "arn:aws:s3:::" + "/".join(filter(None, (bucket, key))))
