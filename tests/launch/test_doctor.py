"""launch.doctor finds what an account lacks, one line each, and touches nothing."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from launch.aws.permissions import Place, of_role, of_user
from launch.rehearsal.aws import LocalAWS
from tests.support.called import call
from tests.support.clinic import Clinic
from tests.support.local_aws import BUCKET, REGION, ROLE
from tests.support.policies import DOCS, Need, documented

TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": ["sagemaker.amazonaws.com"]},
        "Action": "sts:AssumeRole",
    },
}
NO_TRUST = json.loads(json.dumps(TRUST).replace("sagemaker.", "lambda."))
P3, SPOT = "ml.p3.2xlarge for training job usage", "ml.p3.2xlarge for spot training job usage"
WHATS = (
    *("region", "credentials", "clock", "SageMaker", "bucket", "role", "what the role may do"),
    *("what you may do", f"quota {P3}", "image"),
)
Patch = pytest.MonkeyPatch
Fault = Callable[[Clinic, Patch], object]


@pytest.fixture
def clinic(aws: LocalAWS, monkeypatch: Patch) -> Iterator[Clinic]:
    """An account that lacks nothing."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("SAGEMAKER_ROLE", ROLE)
    trust(aws, TRUST)
    found = Clinic(aws, quotas={P3: 1.0, SPOT: 1.0})
    found.open()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    yield found
    found.shut()


def trust(aws: LocalAWS, document: dict[str, Any]) -> None:
    iam, name = aws.client("iam", REGION), ROLE.rpartition("/")[2]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(document))


def lines(*words: str) -> tuple[dict[str, tuple[str, str]], int]:
    """What is said, by what it is said of; and the exit code."""
    done = call("launch.doctor", *words)
    assert done.err == ""
    said = [line.split(maxsplit=1) for line in done.out.splitlines() if line[0].isalpha()]
    found = [(state, *rest.split(": ", 1)) for state, rest in said]
    return {what: (state, text) for state, what, text in found}, done.code


def test_an_account_that_lacks_nothing(clinic: Clinic) -> None:
    said, code = lines()
    assert code == 0
    assert tuple(said) == WHATS
    assert {state for state, _ in said.values()} == {"ok"}
    role, user = clinic.policies
    assert (role.refused, user.refused) == ([], [])
    assert clinic.jobs == []
    assert not any(seen.startswith(("Create", "PUT", "Stop", "Delete")) for seen in clinic.seen)


FAULTS: dict[str, tuple[Fault, list[str], str, str]] = {
    "no region": (
        lambda c, p: (p.delenv("AWS_REGION"), p.delenv("AWS_DEFAULT_REGION")),
        *([], "region", "no AWS region: set AWS_REGION"),
    ),
    "an unknown region": (
        lambda c, p: None,
        *(["region=us-esat-1"], "region", "Did you mean 'us-west-1'?"),
    ),
    "no credentials": (
        lambda c, p: (p.delenv("AWS_ACCESS_KEY_ID"), p.delenv("AWS_SECRET_ACCESS_KEY")),
        *([], "credentials", "run `aws configure`"),
    ),
    "an expired login": (
        lambda c, p: c.refuse("GetCallerIdentity", "ExpiredToken"),
        *([], "credentials", "log in again"),
    ),
    "a clock that is off": (
        lambda c, p: setattr(c, "slow_by", timedelta(minutes=10)),
        *([], "clock", "s ahead of AWS's, which refuses that: set it"),
    ),
    "no role": (
        lambda c, p: p.delenv("SAGEMAKER_ROLE"),
        *([], "role", "backend.role is not set"),
    ),
    "a name for a role": (
        lambda c, p: None,
        *(["role=my-role"], "role", "is not the ARN of a role"),
    ),
    "a role that is not there": (
        lambda c, p: None,
        *(["role=arn:aws:iam::123456789012:role/nobody"], "role", "docs/account.yaml makes one"),
    ),
    "a role that SageMaker may not take": (
        lambda c, p: trust(c.aws, NO_TRUST),
        *([], "role", "does not trust sagemaker.amazonaws.com: aws iam update-assume-role-policy"),
    ),
    "no bucket": (
        lambda c, p: None,
        *(["bucket=no-such-bucket"], "bucket", "create it with `aws s3 mb s3://no-such-bucket`"),
    ),
    "a bucket elsewhere": (
        lambda c, p: c.aws.client("s3", "eu-west-1").create_bucket(
            Bucket="abroad", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        ),
        *(["bucket=abroad"], "bucket", "bucket abroad lies in eu-west-1"),
    ),
    "a role that may not write": (
        lambda c, p: forget(c, 0, "s3:PutObject"),
        *([], "what the role may do", f"s3:PutObject on arn:aws:s3:::{BUCKET}/imdb_cls/jobs/*"),
    ),
    "a user who may not pass the role": (
        lambda c, p: forget(c, 1, "iam:PassRole"),
        *([], "what you may do", f"iam:PassRole on {ROLE}: docs/sagemaker.md has the policy"),
    ),
    "no quota": (
        lambda c, p: c.quotas.update({P3: 0.0}),
        [],
        f"quota {P3}",
        "0, and a job takes 1: aws service-quotas request-service-quota-increase --service-code"
        " sagemaker --quota-code L-0 --desired-value 1 --region us-east-1",
    ),
    "no quota for so many": (
        lambda c, p: None,
        *(["instance_count=2"], f"quota {P3}", "1, and a job takes 2"),
    ),
    "no such machine there": (
        lambda c, p: c.quotas.pop(P3),
        *([], f"quota {P3}", "there is no such machine here"),
    ),
    "an image without kernels": (
        lambda c, p: None,
        ["image=huggingface:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"],
        *("image", "has no kernels for the V100 of ml.p3.2xlarge"),
    ),
}


def forget(clinic: Clinic, of: int, action: str) -> None:
    policy = clinic.policies[of]
    policy.allowed = [need for need in policy.allowed if need.action != action]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_line_that_says_what_to_do(
    clinic: Clinic, monkeypatch: Patch, fault: str
) -> None:
    plant, words, what, advice = FAULTS[fault]
    plant(clinic, monkeypatch)
    said, code = lines(*words)
    state, text = said[what]
    assert (code, state) == (1, "missing")
    assert advice in text
    others = {name for name, (found, _) in said.items() if found == "missing"} - {what}
    # A role that nobody has may do nothing either, nor may its bucket's.
    assert others <= ({"what the role may do", "what you may do"} if words else set())


@pytest.mark.parametrize(
    ("operation", "whats"),
    [
        ("SimulatePrincipalPolicy", ["what the role may do", "what you may do"]),
        ("GetRole", ["role"]),
        ("ListServiceQuotas", [f"quota {P3}"]),
        ("ListTrainingJobs", ["SageMaker"]),
    ],
)
def test_what_one_may_not_ask_is_not_said_to_be_missing(
    clinic: Clinic, operation: str, whats: list[str]
) -> None:
    clinic.refuse(operation, "AccessDenied", times=9)
    said, code = lines()
    assert code == 0
    for what in whats:
        assert said[what] == ("unknown", f"you may not ask ({operation})")


def test_every_type_of_a_list_has_its_quota_and_spot_jobs_have_others(clinic: Clinic) -> None:
    clinic.quotas["ml.g5.xlarge for spot training job usage"] = 0.0
    said, code = lines("instance_type=[ml.p3.2xlarge,ml.g5.xlarge]", "spot=true")
    assert code == 1
    assert said[f"quota {SPOT}"] == ("ok", "1")
    assert said["quota ml.g5.xlarge for spot training job usage"][0] == "missing"


def test_a_wrong_word_is_refused(clinic: Clinic) -> None:
    assert "Did you mean 'region'" in call("launch.doctor", "regoin=us-east-1").line


# The policies that it asks for, those of docs/, and those of the stack are the same.

PLACE = Place("*", "*", BUCKET, "imdb_cls")
OF_WANDB = "secretsmanager:"


def test_it_asks_for_the_policies_of_docs() -> None:
    for policy, asked in zip(
        documented("sagemaker.md", BUCKET, ROLE),
        (of_role(PLACE), of_user(PLACE, ROLE)),
        strict=True,
    ):
        needs = {Need(action, one.resource) for one in asked for action in one.actions}
        allowed = {one for one in policy.allowed if not one.action.startswith(OF_WANDB)}
        assert needs == allowed


class _Tags(yaml.SafeLoader):
    """Reads a template: what is put into its texts is what documented() puts into those of docs."""


def _filled(loader: yaml.Loader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    known = {"AWS::Partition": "aws", "Bucket": BUCKET, "Prefix": "imdb_cls"}
    for name, value in known.items():
        text = text.replace(f"${{{name}}}", value)
    return ROLE if text == "Role.Arn" else text


for tag in ("!Sub", "!GetAtt", "!Ref"):
    _Tags.add_constructor(tag, _filled)


def test_the_stack_grants_the_policies_of_docs_and_nothing_else() -> None:
    stack = yaml.load((DOCS / "account.yaml").read_text(), _Tags)["Resources"]
    role, user = stack["Role"]["Properties"], stack["Submit"]["Properties"]
    (of_role,) = role["Policies"]
    documents = (of_role["PolicyDocument"], user["PolicyDocument"])
    for policy, document in zip(documented("sagemaker.md", BUCKET, ROLE), documents, strict=True):
        granted = {
            Need(action, statement["Resource"])
            for statement in document["Statement"]
            for action in statement["Action"]
        }
        assert granted == set(policy.allowed)
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "sagemaker.amazonaws.com"}


def test_the_stack_is_a_cloudformation_template() -> None:
    from cfnlint.api import lint_file

    assert lint_file(Path(DOCS / "account.yaml")) == []
