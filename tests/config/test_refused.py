"""What cannot be meant is refused in one line, and what is at its edge is taken."""

from pathlib import Path

import pytest

from imdb_cls.config import steps
from tests.support.configs import parsed, refused

SIZES = ("train_size", "val_size", "test_size", "batch_size", "eval_batch_size")
COUNTS = ("num_nodes", "max_epochs", "accumulate_grad_batches", "log_every_n_steps")
OUT_OF_RANGE = (
    *(f"data.{name}={value}" for name in SIZES for value in (0, -5)),
    *(f"trainer.{name}={value}" for name in COUNTS for value in (0, -5)),
    *("seed=-1", "seed=4294967296", "data.seed=-1", "data.seed=4294967296"),
    *("data.max_length=7", "data.max_length=513", "data.num_workers=-1"),
    *("data.train_max_length=7", "data.train_max_length=513", "data.train_max_length=[]"),
    *("data.train_max_length=True", "data.train_max_length=long", "data.window_epochs=-1"),
    *("data.train_max_length=[64, 513, 64]", "data.train_max_length=[64, 7, 64]"),
    *("data.head_fraction=-0.1", "data.head_fraction=1.1", "data.head_fraction=nan"),
    *("model.learning_rate=0.0", "model.learning_rate=-1.0", "model.learning_rate=nan"),
    *("model.learning_rate=inf", "model.layer_decay=0.0", "model.layer_decay=1.1"),
    *("model.weight_decay=-0.1", "model.weight_decay=inf"),
    *("model.dropout=1.0", "model.attention_dropout=-0.1", "model.classifier_dropout=1.0"),
    *("model.warmup_ratio=1.1", "model.warmup_ratio=-0.1", "model.warmup_steps=-1"),
    *("trainer.gradient_clip_val=-1.0", "trainer.early_stopping_patience=0"),
    *("trainer.val_check_interval=0.0", "trainer.val_check_interval=1.5"),
    *("trainer.checkpoint_minutes=0.0", "trainer.checkpoint_minutes=inf"),
)
NOT_ALLOWED = (
    *("data.source=ftp", "model.pretrained.source=cloud"),
    *("trainer.precision=16", "trainer.precision=fp8", "trainer.eval_precision=64-true"),
    *("trainer.accelerator=tpu", "trainer.progress=loud", "logger.wandb.mode=disabled"),
    "model.attention=flash",
    *("metric=accuracy", "metric=test/accuracy", "metric=val/accurracy"),
)
DEVICES = ("0", "-1", "two", "1.5", "True", "[]", "[0, -1]", "[0, 0]")
WRONG_TYPES = (
    *("seed=abc", "data.batch_size=1.5", "data.train_size=many", "trainer.max_epochs=None"),
    *("data.balanced=perhaps", "model.learning_rate=fast", "trainer.deterministic=7.5"),
)


@pytest.mark.parametrize("override", OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused(override: str) -> None:
    line = refused(override)
    assert override in line
    assert "must" in line


@pytest.mark.parametrize("override", NOT_ALLOWED)
def test_a_value_that_is_none_of_the_allowed_is_refused(override: str) -> None:
    line = refused(override)
    assert override in line
    assert "allowed are" in line


@pytest.mark.parametrize("devices", DEVICES)
def test_devices_are_auto_a_number_or_ids(devices: str) -> None:
    line = refused(f"trainer.devices={devices}")
    assert f"trainer.devices={devices}" in line
    assert "allowed are auto, a number from 1, or a list" in line


@pytest.mark.parametrize("override", WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_refused(override: str) -> None:
    assert override in refused(override.replace("None", "null"))


def test_what_is_at_the_edge_is_allowed() -> None:
    config = parsed(
        *("seed=4294967295", "data.seed=0", "data.max_length=8", "data.head_fraction=1"),
        *("data.val_size=1", "model.warmup_ratio=1", "model.layer_decay=1", "model.dropout=0"),
        *("trainer.gradient_clip_val=0", "trainer.val_check_interval=1", "trainer.devices=[0,2]"),
    )
    assert config.trainer.devices == [0, 2]
    assert parsed("trainer.devices=2").trainer.devices == 2


def test_training_on_more_tokens_than_are_read_later_is_refused() -> None:
    assert parsed("data.max_length=64", "data.train_max_length=64").data.train_max_length == 64
    line = refused("data.max_length=64", "data.train_max_length=65")
    assert "data.train_max_length=65 is above data.max_length=64" in line
    line = refused("data.max_length=64", "data.train_max_length=[32,64,65]")
    assert "data.train_max_length=[32, 64, 65] is above data.max_length=64" in line


def test_limits_of_epochs_that_there_are_not_are_refused() -> None:
    for fits in ([32, 64, 64], [32, 64]):  # the last one stays
        assert parsed(f"data.train_max_length={fits}").data.train_max_length == fits
    line = refused("data.train_max_length=[32,64]", "trainer.max_epochs=1")
    assert "data.train_max_length=[32, 64] has 2 numbers for trainer.max_epochs=1" in line
    line = refused("data.window_epochs=4")
    assert "data.window_epochs=4: there are trainer.max_epochs=3 only" in line


def test_rdrop_that_could_do_nothing_is_refused() -> None:
    assert parsed("model.rdrop=4", "model.rdrop_epochs=3").model.rdrop_epochs == 3
    silent = ("model.dropout=0", "model.classifier_dropout=0")
    line = refused("model.rdrop=4", *silent)
    assert "model.rdrop=4 compares two answers that only dropout makes different" in line
    assert parsed("model.rdrop=4", *silent, "model.attention_dropout=0.1").model.rdrop == 4
    assert "model.rdrop_epochs=1 means nothing with model.rdrop=0" in refused(
        "model.rdrop_epochs=1"
    )
    line = refused("model.rdrop=4", "model.rdrop_epochs=4")
    assert "model.rdrop_epochs=4: there are trainer.max_epochs=3 only" in line
    assert "model.rdrop" in refused("model.rdrop=-1")


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    # 96 reviews are 6 batches, 2 steps of 4 batches each, twice.
    run = ("data.train_size=96", "data.batch_size=16", "trainer.accumulate_grad_batches=4")
    epochs = "trainer.max_epochs=2"
    assert steps.warmup_steps(parsed(*run, epochs, "model.warmup_steps=4"), 96) == 4
    line = refused(*run, epochs, "model.warmup_steps=5")
    assert "model.warmup_steps=5 is longer than the run of 4 steps" in line
    assert "model.warmup_ratio" in line
    assert "would outlast the run" in refused("model.warmup_ratio=1.5")


def test_a_warm_up_in_steps_stands_instead_of_the_ratio() -> None:
    assert steps.warmup_steps(parsed(), 5000) == 47
    assert steps.warmup_steps(parsed("model.warmup_steps=0"), 5000) == 0
    assert steps.warmup_steps(parsed("model.warmup_steps=9"), 5000) == 9


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["data=files"], "data.train"),
        (["data=arrow"], "data.path"),
        (["data=acl_imdb"], "data.path"),
        (["data=imdb", "data.name=null"], "data.name"),
    ],
)
def test_a_source_without_its_place_is_refused(overrides: list[str], key: str) -> None:
    assert f"{key}=…" in refused(*overrides)


def test_one_review_a_step_cannot_be_shared_by_devices() -> None:
    assert "data.batch_size=1" in refused("data.batch_size=1", "trainer.devices=2")
    assert "data.batch_size=2" in refused("data.batch_size=2", "trainer.devices=[0,1,2]")
    assert parsed("data.batch_size=1", "trainer.devices=1").data.batch_size == 1
    assert parsed("data.batch_size=1", "trainer.devices=[0]").data.batch_size == 1


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("data.trian_size", "data.train_size"),
        ("model.pretrained.revison", "model.pretrained.revision"),
        ("sed", "seed"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(key: str, near: str) -> None:
    line = refused(f"{key}=1")
    assert f"unknown key '{key}'" in line
    assert f"Did you mean '{near}'?" in line


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data.negative=[1,2]"], "data.negative=['1', '2'] data.positive=[]: give both"),
        (["data.negative=[1,2]", "data.positive=[2.0]"], "'2' is both negative and positive"),
        (["data.negative=[bad]", "data.positive=[BAD]"], "'bad' is both negative and positive"),
        (["data.label=text"], "data.text and data.label are both 'text'"),
        (["data.separator=colon"], "data.separator=colon: allowed are auto, comma"),
        (["data.train=[]"], "data.train=[] is no path"),
        (["data.train=true"], "data.train=True is no path"),
        (["data.train={a: b}"], "data.train={'a': 'b'} is no path"),
    ],
)
def test_what_cannot_be_read_as_it_is_said_is_refused(overrides: list[str], said: str) -> None:
    assert said in refused("data=files", "data.train=my.csv", *overrides)


def test_files_may_be_many_and_their_names_numbers() -> None:
    data = parsed("data=files", "data.train=[a.csv,2020]", "data.test=s3://bucket/b.csv").data
    here = Path.cwd()
    assert data.train == [f"{here}/a.csv", f"{here}/2020"]
    assert data.test == "s3://bucket/b.csv"
    assert parsed("data=arrow", "data.path=set", "data.val=2020").data.val == "2020"
    assert "a list of files is for data=files" in refused("data=imdb", "data.train=[a,b]")


def test_labels_of_ones_own_are_for_sources_that_have_a_column_of_them() -> None:
    labels = ("data.negative=[1]", "data.positive=[5]")
    assert "labels are known" in refused("data=imdb_packaged", *labels)
    assert parsed("data=imdb", *labels).data.negative == ["1"]


def test_rdrop_reads_a_batch_twice_in_its_epochs() -> None:
    config = parsed("model.rdrop=4", "model.rdrop_epochs=2").model
    assert [steps.readings(config, epoch) for epoch in range(3)] == [2, 2, 1]
    assert steps.readings(parsed("model.rdrop=4").model, 99) == 2
    assert steps.readings(parsed().model, 0) == 1
