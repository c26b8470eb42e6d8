"""What an account lacks for training jobs: python -m launch.doctor"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from imdb_cls.errors import UserError
from launch.hosting.options import carry_out, from_words

if TYPE_CHECKING:
    from imdb_cls.config import BackendConfig
    from launch.aws.client import AWS
    from launch.aws.permissions import Permission

USAGE = """
usage: python -m launch.doctor [key=value …]

Asks for all that a training job needs, and says of each whether it is there, or what to type. It
makes and changes nothing. Exit code 1: something is missing.

Every key of conf/backend/sagemaker.yaml, among them
  region=NAME         (AWS_REGION, or the profile's)
  role=ARN            (SAGEMAKER_ROLE)
  bucket=NAME         (SAGEMAKER_BUCKET, or the account's default one)
  instance_type=NAME  or a list: [ml.p3.2xlarge,ml.g5.xlarge] (ml.p3.2xlarge)
  spot=true           asks for the quotas of spot jobs
"""

_WORDS = {True: "ok", False: "missing", None: "unknown"}
# AWS refuses requests that were signed some minutes off.
_SKEW_S = 120


@dataclass(frozen=True)
class Finding:
    what: str
    is_there: bool | None
    """None: this user may not ask."""
    said: str


def run(given: list[str]) -> None:
    """Raises UserError for words that are no settings of a backend."""
    from imdb_cls.config import BackendConfig
    from imdb_cls.config.checks import check_aws

    backend = from_words(BackendConfig, given, "backend/sagemaker.yaml")
    check_aws(backend)
    lacking = 0
    for finding in examine(backend):
        print(f"{_WORDS[finding.is_there]:<9}{finding.what}: {finding.said}", flush=True)
        lacking += finding.is_there is False
    if lacking:
        print(f"{lacking} missing; docs/sagemaker.md, docs/account.yaml")
        sys.exit(1)


def examine(backend: "BackendConfig") -> Iterator[Finding]:
    """Looks at one thing after another. Without a region or credentials there is nothing else."""
    from launch.aws.client import connect, explained
    from launch.aws.images import for_training
    from launch.aws.instances import instances_of
    from launch.aws.permissions import Place, of_role, of_user
    from launch.hosting.account import check_bucket, role_of

    try:
        aws = connect(backend.region)
    except UserError as error:
        yield Finding("region", False, str(error))
        return
    yield Finding("region", True, aws.region)
    try:
        with explained("asking who you are"):
            identity = aws.client("sts").get_caller_identity()
    except UserError as error:
        yield Finding("credentials", False, str(error))
        return
    yield Finding("credentials", True, identity["Arn"])
    yield _clock(identity)
    list_jobs = aws.client("sagemaker").list_training_jobs
    yield _asked("SageMaker", partial(list_jobs, MaxResults=1), "answers")
    bucket = backend.bucket or f"sagemaker-{aws.region}-{identity['Account']}"
    owner = None if backend.bucket else identity["Account"]
    yield _asked("bucket", partial(check_bucket, aws, bucket, owner, "bucket"), bucket)
    partition = identity["Arn"].split(":")[1]
    place = Place(aws.region, identity["Account"], bucket, backend.prefix.strip("/"), partition)
    try:
        role = role_of(backend)
    except UserError as error:
        yield Finding("role", False, str(error))
    else:
        yield _asked("role", partial(_trusts_sagemaker, aws, role))
        yield _allowed(aws, "what the role may do", role, of_role(place))
        who = _asked("what you may do", partial(_principal, aws, identity["Arn"]))
        if who.is_there and who.said.endswith(":root"):
            yield Finding("what you may do", True, "everything: you are the account's root")
        elif who.is_there:
            yield _allowed(aws, "what you may do", who.said, of_user(place, role))
        else:
            yield who
    yield from _quotas(aws, backend)
    yield _asked(
        "image", lambda: for_training(backend.image, instances_of(backend), aws.region).uri
    )


def _clock(answer: dict[str, Any]) -> Finding:
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    theirs = re.match(r"\w{3}, .*? GMT", said)  # a proxy may have added its own
    if theirs is None:
        return Finding("clock", None, "AWS did not say what time it is")
    off = (datetime.now(UTC) - parsedate_to_datetime(theirs[0])).total_seconds()
    if abs(off) > _SKEW_S:
        way = "ahead of" if off > 0 else "behind"
        return Finding("clock", False, f"{abs(off):.0f} s {way} AWS's, which refuses that: set it")
    return Finding("clock", True, f"within {_SKEW_S} s of AWS's")


def _asked(what: str, ask: Callable[[], object], said: str | None = None) -> Finding:
    """What is found by asking AWS. If all is well, `said` is said, or what `ask` gives."""
    from botocore.exceptions import ClientError

    from launch.aws.client import explained, is_denied

    try:
        with explained("asking AWS"):
            try:
                found = ask()
                return Finding(what, True, said or str(found))
            except ClientError as error:
                if not is_denied(error.response["Error"]["Code"]):
                    raise
                return Finding(what, None, f"you may not ask ({error.operation_name})")
    except UserError as error:
        return Finding(what, False, str(error))


def _trusts_sagemaker(aws: "AWS", role: str) -> str:
    from launch.aws.client import unless_gone

    found = unless_gone(aws.client("iam").get_role, RoleName=role.rpartition("/")[2])
    if found is None:
        raise UserError(f"there is no {role}: docs/account.yaml makes one")
    trusted = found["Role"].get("AssumeRolePolicyDocument") or {}
    for statement in _listed(trusted.get("Statement", [])):
        principal = statement.get("Principal", {})
        services = _listed(principal.get("Service", [])) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and "sagemaker.amazonaws.com" in services:
            return role
    raise UserError(
        f"{role} does not trust sagemaker.amazonaws.com: aws iam update-assume-role-policy"
        f" --role-name {role.rpartition('/')[2]} --policy-document …"
    )


def _principal(aws: "AWS", arn: str) -> str:
    """The ARN of the user or the role that this is, whose policies count."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind != "assumed-role":
        return arn
    return str(aws.client("iam").get_role(RoleName=name.partition("/")[0])["Role"]["Arn"])


def _allowed(aws: "AWS", what: str, principal: str, needed: "list[Permission]") -> Finding:
    """Has IAM simulate what a user or a role needs."""

    def ask() -> None:
        lacking: list[str] = []
        for permission in needed:
            resource = permission.resource
            on = "" if resource == "*" else f" on {resource}"
            found = aws.listed(
                "iam",
                "simulate_principal_policy",
                "EvaluationResults",
                PolicySourceArn=principal,
                ActionNames=list(permission.actions),
                ResourceArns=[resource if resource == "*" else resource.replace("*", "x")],
            )
            denied = [one["EvalActionName"] for one in found if one["EvalDecision"] != "allowed"]
            lacking += [action + on for action in denied]
        if lacking:
            raise UserError(f"{', '.join(lacking)}: docs/sagemaker.md has the policy")

    return _asked(what, ask, principal)


def _quotas(aws: "AWS", backend: "BackendConfig") -> Iterator[Finding]:
    from launch.aws.instances import quota

    wanted = [quota(name, backend.spot) for name in backend.instance_types]
    known: dict[str, dict[str, Any]] = {}

    def listed() -> None:
        # The applied quotas lack those that nobody has changed.
        for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
            for one in aws.listed("service-quotas", operation, "Quotas", ServiceCode="sagemaker"):
                known[one["QuotaName"]] = one

    asked = _asked(f"quota {', '.join(wanted)}", listed)
    if not asked.is_there:
        yield asked
        return
    for name in wanted:
        yield _asked(f"quota {name}", partial(_quota, name, known, backend, aws.region))


def _quota(
    name: str, known: dict[str, dict[str, Any]], backend: "BackendConfig", region: str
) -> str:
    quota = known.get(name)
    if quota is None:
        raise UserError("Service Quotas has none of that name: there is no such machine here")
    if quota["Value"] < backend.instance_count:
        raise UserError(
            f"{quota['Value']:g}, and a job takes {backend.instance_count}:"
            " aws service-quotas request-service-quota-increase --service-code sagemaker"
            f" --quota-code {quota['QuotaCode']} --desired-value {backend.instance_count}"
            f" --region {region}"
        )
    return f"{quota['Value']:g}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def main() -> None:
    carry_out(run, sys.argv[1:], USAGE)


if __name__ == "__main__":
    main()
