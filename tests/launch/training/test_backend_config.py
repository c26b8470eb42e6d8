"""What a backend cannot mean is refused in one line, and leaves nothing behind."""

from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from imdb_cls.cli import explain
from imdb_cls.config import BackendConfig, CloudWatchConfig, Config, parse
from imdb_cls.errors import UserError
from tests.support import configs
from tests.support.local_aws import ROLE, parsed
from tests.support.processes import Command


def refused(*overrides: str) -> str:
    return configs.refused("+backend=sagemaker", *overrides)


def test_a_run_stays_on_this_machine_unless_a_backend_is_added() -> None:
    assert configs.parsed().backend is None


def test_the_defaults_are_the_originals() -> None:
    backend = parsed().backend
    assert backend is not None
    assert (backend.instance_type, backend.instance_count) == ("ml.p3.2xlarge", 1)
    assert (backend.volume_gb, backend.max_seconds, backend.image) == (30, 36000, "auto")
    switches = (backend.spot, backend.network_isolation, backend.dry_run, backend.rehearse)
    assert not any(switches)
    assert backend.wait


def test_the_schemas_defaults_are_confs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGEMAKER_ROLE", raising=False)
    monkeypatch.delenv("SAGEMAKER_BUCKET", raising=False)
    assert parsed().backend == BackendConfig()
    assert parsed("logger=cloudwatch").logger.cloudwatch == CloudWatchConfig()


def test_role_and_bucket_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_ROLE", ROLE)
    monkeypatch.setenv("SAGEMAKER_BUCKET", "ours")
    backend = parsed().backend
    assert backend is not None
    assert (backend.role, backend.bucket) == (ROLE, "ours")
    backend = parsed("backend.bucket=other").backend
    assert backend is not None
    assert backend.bucket == "other"


OUT_OF_RANGE = (
    *(f"backend.{name}=0" for name in ("instance_count", "volume_gb", "max_seconds")),
    *("backend.max_wait_seconds=0", "backend.instance_count=-1", "backend.max_cost=0.0"),
    *("backend.max_cost=-1.0", "backend.max_cost=inf", "backend.max_cost=nan"),
    *("backend.price_per_hour=0.0", "backend.price_per_hour=inf", "backend.poll_seconds=0.0"),
    *("backend.poll_seconds=nan", "backend.interrupt_at_step=0"),
    *("backend.keep_alive_seconds=-1", "backend.max_seconds=2419201"),
)


@pytest.mark.parametrize("override", OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused(override: str) -> None:
    line = refused(override)
    assert override in line
    assert "must" in line


WRONG_TYPES = (
    *("backend.instance_count=two", "backend.max_seconds=1.5", "backend.spot=perhaps"),
    *("backend.max_cost=cheap", "backend.volume_gb=null", "backend.wait=later"),
)


@pytest.mark.parametrize("override", WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_refused(override: str) -> None:
    assert override.replace("null", "None") in refused(override)


@pytest.mark.parametrize("override", ["backend.subnets=here", "backend.tags=mine"])
def test_one_value_where_several_belong_is_refused(override: str) -> None:
    assert override.split("=")[0] in refused(override)


@pytest.mark.parametrize(
    "name", ["-job", "job-", "my_job", "my job", "über", "a" * 64, "a.b", "job\n"]
)
def test_a_job_name_that_sagemaker_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="allowed are 1 to 63 letters, digits, hyphens"):
        parse_with(job_name=name)


@pytest.mark.parametrize("name", ["a", "a" * 63, "My-Job--2"])
def test_a_job_name_that_sagemaker_takes_is_taken(name: str) -> None:
    backend = parse_with(job_name=name).backend
    assert backend is not None
    assert backend.job_name == name


def parse_with(**settings: object) -> Config:
    """A config with values that no command line could spell."""
    config = OmegaConf.create(configs.composed("+backend=sagemaker"))
    for key, value in settings.items():
        config.backend[key] = value
    return parse(config)


CONTRADICTIONS = {
    "container=/opt/ml": "container is set inside a job only",
    "trainer.num_nodes=2": "follows backend.instance_count",
    "trainer.accelerator=mps": "SageMaker has no Apple GPU",
    "backend.max_wait_seconds=40000": "means nothing without backend.spot=true",
    "backend.spot=true backend.keep_alive_seconds=60": "keeps no spot instance warm",
    "backend.subnets=[subnet-1]": "a VPC needs both",
    "backend.security_groups=[sg-1]": "a VPC needs both",
    "backend.dry_run=true backend.rehearse=true": "choose one",
    "backend.rehearse=true backend.wait=false": "a rehearsal ends with its command",
    "backend.interrupt_at_step=3": "needs backend.rehearse=true and backend.spot=true",
    "backend.interrupt_at_step=3 backend.rehearse=true": "and backend.spot=true",
    "backend.interrupt_at_step=3 backend.spot=true": "needs backend.rehearse=true",
    "backend.spot=true backend.max_wait_seconds=35999": "at least backend.max_seconds=36000",
}


@pytest.mark.parametrize(("overrides", "why"), CONTRADICTIONS.items(), ids=CONTRADICTIONS)
def test_a_contradiction_is_refused(overrides: str, why: str) -> None:
    assert why in refused(*overrides.split())


@pytest.mark.parametrize(
    "overrides",
    [
        "backend.spot=true backend.max_wait_seconds=36000",
        "backend.keep_alive_seconds=21600",
        "backend.subnets=[subnet-1] backend.security_groups=[sg-1,sg-2]",
        "backend.rehearse=true backend.spot=true backend.interrupt_at_step=3",
        "backend.tags.team=nlp",
        "backend.max_cost=1",
    ],
)
def test_the_same_settings_are_taken_where_they_mean_something(overrides: str) -> None:
    parsed(*overrides.split())


@pytest.mark.parametrize("bucket", ["s3://mine", "Mine", "my_bucket", "ab", "mine/below", "-mine"])
def test_what_is_no_buckets_name_is_refused(bucket: str) -> None:
    assert f"backend.bucket={bucket} is not the name of a bucket" in refused(
        f"backend.bucket={bucket}"
    )


def test_a_namespace_of_awss_own_is_refused() -> None:
    line = refused("logger=cloudwatch", "logger.cloudwatch.namespace=AWS/SageMaker")
    assert "logger.cloudwatch.namespace" in line


def test_a_key_of_an_earlier_version_is_refused_with_the_reason() -> None:
    line = refused("backend.name=sagemaker")
    assert line == "backend.name is no key any more: +backend=sagemaker names it: leave it out."


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("backend.instance_typ", "backend.instance_type"),
        ("backend.max_second", "backend.max_seconds"),
        ("logger.cloudwatch.namespaces", "logger.cloudwatch.namespace"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(key: str, near: str) -> None:
    line = refused("logger=cloudwatch", f"{key}=1")
    assert f"unknown key '{key}'" in line
    assert f"Did you mean '{near}'?" in line


def test_the_command_line_refuses_an_unknown_backend_with_the_one_there_is() -> None:
    with pytest.raises(HydraException) as error:
        configs.composed("+backend=sagemakr")
    assert explain(error.value) == (
        "backend=sagemakr: allowed are sagemaker. Did you mean 'sagemaker'?"
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["backend.instance_typ=ml.g5.xlarge"], "Did you mean 'backend.instance_type'?"),
        (["backend.subnets=[subnet-1]"], "a VPC needs both"),
        (["backend.instance_type=ml.g5.xlrge", "backend.dry_run=true"], "'ml.g5.xlarge'?"),
    ],
)
def test_the_command_says_it_in_one_line_and_leaves_nothing_behind(
    command: Command, tmp_path: Path, overrides: list[str], said: str
) -> None:
    done = command("train", "+backend=sagemaker", *overrides, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
