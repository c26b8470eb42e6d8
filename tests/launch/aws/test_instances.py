"""What is known of an instance: its GPU and its price, from conf/instances.yaml or the user."""

import pytest
import yaml

from imdb_cls.config import CONF_DIR, BackendConfig
from imdb_cls.errors import UserError
from launch.aws.instances import instance_of, instead

TABLE = yaml.safe_load((CONF_DIR / "instances.yaml").read_text(encoding="utf-8"))


def backend(**settings: object) -> BackendConfig:
    return BackendConfig(**settings)  # type: ignore[arg-type]


def test_the_table_of_instances_is_whole() -> None:
    assert TABLE["date"]
    assert TABLE["region"]
    for name, row in TABLE["instances"].items():
        assert row.get("price", 1) > 0, name
        assert "price" in row or "gpu" in row, name
        assert ("gpu" in row) == ("count" in row), name
        assert row.get("gpu") in {None, *TABLE["gpus"]}, name


def test_a_price_says_where_it_is_from() -> None:
    assert instance_of(backend()).price_note == f"list price, {TABLE['region']}, {TABLE['date']}"
    own = instance_of(backend(price_per_hour=2.0))
    assert (own.price, own.price_note) == (2.0, "backend.price_per_hour")


@pytest.mark.parametrize(
    ("kind", "near"), [("ml.g5.xlrge", "ml.g5.xlarge"), ("ml.p3.2xlage", "ml.p3.2xlarge")]
)
def test_an_unknown_instance_is_refused_with_the_nearest_right_one(kind: str, near: str) -> None:
    with pytest.raises(UserError) as error:
        instance_of(backend(instance_type=kind))
    assert f"backend.instance_type={kind} is not in conf/instances.yaml" in str(error.value)
    assert f"Did you mean '{near}'?" in str(error.value)


def test_one_whose_price_is_not_known_is_taken_for_what_its_gpu_is() -> None:
    found = instance_of(backend(instance_type="ml.g7e.12xlarge"))
    assert (found.known, found.price, found.count) == (True, None, 2)
    assert (found.capability, found.precision) == ((12, 0), "bf16-mixed")
    assert instance_of(backend(instance_type="ml.g7e.12xlarge", price_per_hour=9.0)).price == 9.0
    # Nobody is advised to take it.
    assert "g7e" not in instead(["ml.g5.xlarge"], spot=False)


def test_an_instance_of_ones_own_needs_its_price_and_its_image() -> None:
    kind = "ml.p6.48xlarge"
    for settings in ({}, {"price_per_hour": 9.0}, {"image": "mine:latest"}):
        with pytest.raises(UserError, match=r"backend\.price_per_hour and backend\.image"):
            instance_of(backend(instance_type=kind, **settings))
    own = instance_of(backend(instance_type=kind, price_per_hour=9.0, image="mine:latest"))
    assert (own.known, own.price, own.gpu, own.capability) == (False, 9.0, None, None)
