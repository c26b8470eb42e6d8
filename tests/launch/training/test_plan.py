"""What a job may cost, trains in and runs on, before anything is sent."""

import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from imdb_cls.config import CONF_DIR, BackendConfig
from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from launch.aws.images import Image
from launch.aws.instances import instance_of
from launch.aws.store import Channel
from launch.training import plan
from launch.training.plan import Machines
from launch.training.request import Job
from tests.support.local_aws import ROLE, parsed

TABLE = yaml.safe_load((CONF_DIR / "instances.yaml").read_text(encoding="utf-8"))


def backend(**settings: object) -> BackendConfig:
    return BackendConfig(**settings)  # type: ignore[arg-type]


def refused(overrides: list[str], call: object) -> str:
    """The one line that the plan of this config is refused with."""
    config = parsed(*overrides)
    assert config.backend is not None
    with pytest.raises(UserError) as error:
        call(config, instance_of(config.backend))  # type: ignore[operator]
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


# Price and ceiling


@pytest.mark.parametrize(
    ("settings", "usd"),
    [
        ({}, 38.25),
        ({"max_seconds": 3600}, 3.825),
        ({"max_seconds": 3600, "instance_count": 3}, 11.475),
        ({"max_seconds": 3600, "keep_alive_seconds": 1800}, 5.7375),
        ({"max_seconds": 1800, "keep_alive_seconds": 1800, "instance_count": 2}, 7.65),
        ({"max_seconds": 3600, "price_per_hour": 1.5}, 1.5),
        ({"max_seconds": 7200, "instance_type": "ml.g5.xlarge"}, 2.816),
    ],
)
def test_the_ceiling_is_every_second_that_may_be_billed(
    settings: dict[str, object], usd: float
) -> None:
    asked = backend(**settings)
    assert plan.ceiling(asked, instance_of(asked), asked.max_seconds) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({"max_cost": 1.5}, 1411),  # 1.5 / 3.825 of an hour
        ({"max_cost": 1.5, "price_per_hour": 1.5}, 3600),
        ({"max_cost": 1.5, "price_per_hour": 0.75, "instance_count": 2}, 3600),
        ({"max_cost": 1.5, "price_per_hour": 1.5, "keep_alive_seconds": 600}, 3000),
        ({"max_cost": 1000.0}, 36000),
        ({"max_cost": 0.5, "price_per_hour": 1.0, "max_seconds": 60}, 60),
    ],
)
def test_max_cost_lowers_max_seconds(settings: dict[str, object], seconds: int) -> None:
    asked = backend(**settings)
    instance = instance_of(asked)
    assert plan.affordable_seconds(asked, instance) == seconds
    assert plan.ceiling(asked, instance, seconds) <= asked.max_cost  # type: ignore[operator]


def test_without_max_cost_nothing_is_lowered() -> None:
    assert plan.affordable_seconds(backend(), instance_of(backend())) == 36000


@pytest.mark.parametrize(
    "settings",
    [
        {"max_cost": 0.5},
        {"max_cost": 1.0, "instance_count": 2},
        {"max_cost": 1.0, "keep_alive_seconds": 3600},
    ],
)
def test_a_max_cost_that_leaves_no_time_is_refused_with_what_would_do(
    settings: dict[str, object],
) -> None:
    asked = backend(**settings)
    instance = instance_of(asked)
    with pytest.raises(UserError, match=f"backend.max_cost={asked.max_cost} pays for") as error:
        plan.affordable_seconds(asked, instance)
    enough = float(str(error.value).partition("at least $")[2].split()[0])
    assert "(600 s)" in str(error.value)
    allowed = dataclasses.replace(asked, max_cost=enough)
    assert plan.affordable_seconds(allowed, instance) >= 600


def test_a_max_cost_of_an_unknown_price_is_refused() -> None:
    known = instance_of(backend())
    unknown = dataclasses.replace(known, price=None)
    with pytest.raises(UserError, match=r"set backend\.price_per_hour"):
        plan.affordable_seconds(backend(max_cost=1.0), unknown)


# Precision and devices


@pytest.mark.parametrize(
    ("kind", "asked", "shown"),
    [
        ("ml.p3.2xlarge", "auto", "16-mixed (auto)"),
        ("ml.p3.2xlarge", "16-mixed", "16-mixed"),
        ("ml.p3.2xlarge", "32-true", "32-true"),
        ("ml.g4dn.xlarge", "auto", "16-mixed (auto)"),
        ("ml.g5.xlarge", "auto", "bf16-mixed (auto)"),
        ("ml.g5.xlarge", "bf16-mixed", "bf16-mixed"),
        ("ml.p4d.24xlarge", "auto", "bf16-mixed (auto)"),
        ("ml.m5.xlarge", "bf16-mixed", "bf16-mixed"),
    ],
)
def test_the_precision_is_the_gpus_or_the_one_asked_for(kind: str, asked: str, shown: str) -> None:
    config = parsed(f"backend.instance_type={kind}", f"trainer.precision={asked}")
    assert plan.precision_on(config, instance_of(config.backend)) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["precision", "eval_precision"])
@pytest.mark.parametrize("kind", ["ml.p3.2xlarge", "ml.g4dn.xlarge"])
def test_bf16_is_refused_where_the_gpu_has_none(kind: str, key: str) -> None:
    line = refused(
        [f"backend.instance_type={kind}", f"trainer.{key}=bf16-mixed"], plan.precision_on
    )
    assert f"trainer.{key}=bf16-mixed: the " in line
    assert "ml.g5.xlarge" in line


def test_on_the_cpu_of_a_gpu_machine_the_gpu_decides_nothing() -> None:
    config = parsed("trainer.accelerator=cpu", "trainer.precision=bf16-mixed")
    assert plan.precision_on(config, instance_of(config.backend)) == "bf16-mixed"  # type: ignore[arg-type]
    config = parsed("trainer.accelerator=cpu")
    assert "CPU" in plan.precision_on(config, instance_of(config.backend))  # type: ignore[arg-type]


def test_a_gpu_is_refused_on_a_machine_without_one() -> None:
    overrides = ["trainer.accelerator=gpu", "backend.instance_type=ml.m5.xlarge"]
    assert "ml.m5.xlarge has no GPU" in refused(overrides, plan.precision_on)


@pytest.mark.parametrize(
    ("overrides", "count"),
    [
        (["backend.instance_type=ml.p3.2xlarge"], 1),
        (["backend.instance_type=ml.p3.8xlarge"], 4),
        (["backend.instance_type=ml.g5.48xlarge"], 8),
        (["backend.instance_type=ml.m5.4xlarge"], 1),
        (["backend.instance_type=ml.p3.8xlarge", "trainer.devices=2"], 2),
        (["backend.instance_type=ml.p3.8xlarge", "trainer.devices=[1,3,2]"], 3),
        (["backend.instance_type=ml.p3.8xlarge", "trainer.accelerator=cpu"], 1),
        (["backend.instance_type=ml.m5.4xlarge", "trainer.devices=2"], 2),
    ],
)
def test_one_process_trains_on_each_device(overrides: list[str], count: int) -> None:
    config = parsed(*overrides)
    assert plan.processes_on(config, instance_of(config.backend)) == count  # type: ignore[arg-type]


def test_more_devices_than_the_machine_has_are_refused() -> None:
    line = refused(["trainer.devices=2"], plan.processes_on)
    assert "trainer.devices=2: ml.p3.2xlarge has 1 GPU" in line


@pytest.mark.parametrize(
    ("overrides", "world"),
    [
        (["backend.instance_type=ml.g5.48xlarge"], 8),
        (["backend.instance_count=8"], 8),
        (["backend.instance_type=ml.p3.8xlarge", "backend.instance_count=2"], 8),
    ],
)
def test_a_batch_too_small_for_all_devices_is_refused(overrides: list[str], world: int) -> None:
    line = refused([*overrides, "data.batch_size=15"], plan.processes_on)
    assert f"data.batch_size=15 is too small for {world} devices" in line
    assert f"at least {2 * world}" in line
    config = parsed(*overrides, "data.batch_size=16")
    plan.processes_on(config, instance_of(config.backend))  # type: ignore[arg-type]


def test_a_key_for_a_volume_is_refused_where_the_machine_has_disks_of_its_own() -> None:
    instance_of(backend(instance_type="ml.p3.2xlarge", volume_kms_key="mine"))
    with pytest.raises(UserError, match=r"volume_kms_key: ml\.g5\.xlarge has disks of its own"):
        instance_of(backend(instance_type="ml.g5.xlarge", volume_kms_key="mine"))


# Warnings


def warnings(*overrides: str, untracked: list[str] | None = None, role: str = ROLE) -> list[str]:
    asked = parsed(*overrides, f"backend.role={role}").backend
    assert asked is not None
    return plan.warnings_of(asked, [instance_of(asked)], untracked or [])


def test_whoever_takes_a_p3_is_told_that_it_is_being_retired_and_what_to_take() -> None:
    (line,) = warnings()
    assert "ml.p3.2xlarge" in line
    assert "no bf16" in line
    assert "AWS is retiring" in line
    assert "backend.instance_type=ml.g5.xlarge" in line


def test_there_is_nothing_to_warn_of_on_a_newer_machine() -> None:
    assert warnings("backend.instance_type=ml.g5.xlarge") == []


def test_files_that_are_not_sent_are_named_the_first_five_of_them() -> None:
    here = "backend.instance_type=ml.g5.xlarge"
    (line,) = warnings(here, untracked=["imdb_cls/new.py", "conf/data/own.yaml"])
    assert line == "not tracked by git, so not sent: imdb_cls/new.py, conf/data/own.yaml"
    (line,) = warnings(here, untracked=[f"imdb_cls/{i}.py" for i in range(8)])
    assert line.endswith("imdb_cls/4.py and 3 more")


def test_a_missing_role_and_a_spot_price_are_pointed_out() -> None:
    here = "backend.instance_type=ml.g5.xlarge"
    assert "backend.role is not set" in warnings(here, role="null")[0]
    assert "on-demand price" in warnings(here, "backend.spot=true", "backend.max_cost=1")[0]


# The table


def shown(
    tmp_path: Path, present: bool | None = None, processes: int = 1, **settings: object
) -> dict[str, str]:
    (tmp_path / "a.py").write_text("x" * 1500)
    (tmp_path / "b.py").write_text("x")
    asked = backend(**settings)
    code = Channel("code", {"a.py": tmp_path / "a.py", "b.py": tmp_path / "b.py"})
    reviews = Channel("reviews", {"b.py": tmp_path / "b.py"})
    there = {"code": present, "reviews": False}
    account: Any = SimpleNamespace(
        store=SimpleNamespace(has=lambda channel: there[channel.name]),
    )
    job = Job(
        name="job-1",
        run=Run(tmp_path),
        resolved=None,  # type: ignore[arg-type]
        backend=asked,
        account=account,
        image=Image("the/image:tag", "because", "3.11"),
        max_seconds=asked.max_seconds,
        processes=processes,
        overrides=["seed=1"],
        channels={},
        code=tmp_path,
    )
    instance, seconds = instance_of(asked), asked.max_seconds
    most = plan.ceiling(asked, instance, seconds)
    machines = Machines([instance], seconds, "16-mixed (auto)", processes, most)
    return plan.facts(
        job, machines, [code, reviews], ["weights: from the Hub in the job, name@0123"]
    )


def test_the_table_says_all_that_is_settled(tmp_path: Path) -> None:
    assert shown(tmp_path, max_seconds=3600) == {
        "job": "job-1",
        "instance": "1 x ml.p3.2xlarge (1 x V100, 16 GB), 30 GB",
        "quota": "'ml.p3.2xlarge for training job usage'",
        "image": "the/image:tag\nbecause",
        "precision": "16-mixed (auto)",
        "code": "2 files, 1.5 kB, S3 was not asked",
        "reviews": "1 file, 1 B, to upload",
        "weights": "from the Hub in the job, name@0123",
        "command": "exec python -m imdb_cls.train seed=1",
        "price": f"$3.825 an hour and instance (list price, us-east-1, {TABLE['date']})",
        "at most": "$3.83 (3,600 s)",
    }


def test_the_table_of_a_job_with_everything(tmp_path: Path) -> None:
    said = shown(
        tmp_path,
        present=True,
        instance_type="ml.g5.12xlarge",
        instance_count=2,
        volume_gb=50,
        max_seconds=1800,
        keep_alive_seconds=1800,
        price_per_hour=2.5,
        processes=4,
    )
    assert said["instance"] == "2 x ml.g5.12xlarge (4 x A10G, 24 GB), 50 GB"
    assert said["devices"] == "8: 4 on each of 2 hosts, with DDP"
    assert said["code"].endswith("in S3 already")
    assert said["price"] == "$2.500 an hour and instance (backend.price_per_hour)"
    assert said["at most"] == "$5.00 (1,800 s and 1,800 s kept warm)"


def test_the_table_of_a_spot_job_and_of_an_instance_of_ones_own(tmp_path: Path) -> None:
    said = shown(tmp_path, spot=True)
    assert said["instance"].endswith("30 GB, spot")
    assert said["price"].endswith("; spot is billed less")
    own = {"instance_type": "ml.own.1x", "price_per_hour": 1.0, "image": "mine"}
    assert "not in conf/instances.yaml" in shown(tmp_path, **own)["instance"]
    assert "(no GPU)" in shown(tmp_path, instance_type="ml.m5.large")["instance"]


def test_every_job_has_a_name_of_its_own_that_sagemaker_takes() -> None:
    names = {plan.new_job_name() for _ in range(50)}
    assert len(names) == 50
    for name in names:
        # The SDK keeps 40 characters of what it puts a time behind.
        assert len(name) <= 40
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)
