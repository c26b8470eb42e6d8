"""The model for CPUs labels as the trained one does, or it is not there."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from imdb_cls.errors import UserError
from imdb_cls.inference.engine import OnnxEngine
from imdb_cls.inference.labeller import Labeller
from imdb_cls.inference.network import load_trained
from imdb_cls.model.onnx import graph
from imdb_cls.model.onnx.encoder import Encoder
from imdb_cls.model.open import open_labeller
from imdb_cls.runs.run import Run
from tests.support.once import once
from tests.support.processes import SHOWING, Command, imported_in
from tests.support.runs import decided, resealed, reviews, unsealed


def export(run: Path) -> dict[str, Any]:
    """As python -m imdb_cls.export does; gives what metrics.json says of it then."""
    from imdb_cls import export as command

    command.export(command.Arguments(run=str(run)))
    return dict(json.loads((run / "metrics.json").read_text())["fast"])


@pytest.fixture(scope="module")
def exported(trained: Path, shared: Path) -> Path:
    """A run whose network tells reviews apart, with its fast model."""

    def make(path: Path) -> None:
        run = decided(trained, path / "run")
        rescored(run)
        export(run)

    return once(shared, "exported", make) / "run"


def rescored(run: Path) -> None:
    """predictions_val.parquet anew: the network was changed."""
    from imdb_cls.runs.reviews import splits_of

    splits = splits_of(Run(run))
    assert splits is not None
    model = open_labeller(Run(run), allow_fast=False)
    found = model.probabilities(list(splits.val.reviews["text"]))
    _with_probabilities(run, found)


def _with_probabilities(run: Path, found: "np.ndarray[Any, Any]") -> None:
    file = run / "predictions_val.parquet"
    table = pq.read_table(file)
    column = table.schema.get_field_index("probability")
    pq.write_table(table.set_column(column, "probability", pa.array(found)), file)
    resealed(run)


def ids_of(run: Path) -> list[list[int]]:
    tokenizer = open_labeller(Run(run), allow_fast=False).tokenizer
    return list(tokenizer(reviews(run, 20))["input_ids"])


def test_the_graph_gives_the_networks_logits(exported: Path, tmp_path: Path) -> None:
    graph.write(Encoder(load_trained(exported / "model")), tmp_path / "model.fp32.onnx")
    engine = OnnxEngine(tmp_path / "model.fp32.onnx")
    ids = ids_of(exported)
    lengths = np.array([len(row) for row in ids], dtype=np.int32)
    found = engine.log_odds(lengths, lambda rows: [ids[row] for row in rows])
    expected = open_labeller(Run(exported), allow_fast=False).log_odds(reviews(exported, 20))
    assert found == pytest.approx(expected, abs=1e-4)
    assert engine.name == "onnx fp32"


def sample_of(run: Path) -> list[torch.Tensor]:
    return [torch.tensor([row]) for row in ids_of(run)]


def test_dividing_by_channel_and_token_changes_nothing_in_exact_numbers(exported: Path) -> None:
    network, sample = load_trained(exported / "model"), sample_of(exported)
    scaled = graph.evened(Encoder(network), sample)
    largest: list[torch.Tensor] = []
    for layer in scaled.layers:
        for name in ("qkv", "lin1", "lin2"):
            rounded = getattr(layer, name).linear
            rounded.register_forward_pre_hook(lambda _, given: largest.append(given[0].abs()))
    with torch.no_grad():
        for given in sample:
            assert torch.allclose(scaled(given), network(given).logits, atol=1e-4)
    # No token is rounded to nothing because another one is larger.
    assert all(torch.allclose(inputs.amax(-1), torch.tensor(1.0)) for inputs in largest)
    assert len(largest) == 6 * len(sample)


def test_dividing_brings_int8_nearer(exported: Path, tmp_path: Path) -> None:
    """Some activations made far larger than the others, as a trained network has them."""
    encoder = Encoder(load_trained(exported / "model"))
    with torch.no_grad():
        for layer in encoder.layers:
            layer.lin1.weight *= 4
            layer.lin1.weight[::4] *= 100
            layer.lin2.weight[:, ::4] /= 100
    ids = ids_of(exported)
    lengths = np.array([len(row) for row in ids], dtype=np.int32)

    def log_odds(write: Callable[..., None], *sample: Any) -> "np.ndarray[Any, Any]":
        file = tmp_path / "model.int8.onnx"
        write(encoder, file, *sample)
        return OnnxEngine(file).log_odds(lengths, lambda rows: [ids[row] for row in rows])

    sample = sample_of(exported)
    exact, divided = log_odds(graph.write), log_odds(graph.write_int8, sample)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "evened", lambda encoder, sample: encoder)
        without = log_odds(graph.write_int8, sample)
    assert np.abs(divided - exact).mean() < np.abs(without - exact).mean() / 1.5


def test_int8_is_exact_on_every_cpu(exported: Path, tmp_path: Path) -> None:
    """Where a CPU has no VNNI, the fast product of 8 bits adds two of them in 16: with weights that
    are all as large as can be it saturates. The reference multiplies whole numbers."""
    from onnx.reference import ReferenceEvaluator

    encoder, sample = Encoder(load_trained(exported / "model")), sample_of(exported)[:4]
    with torch.no_grad():
        for layer in encoder.layers:
            layer.lin1.weight.fill_(0.05)
            layer.attention_norm.bias.fill_(1.0)
    file = tmp_path / "model.int8.onnx"
    graph.write_int8(encoder, file, sample)
    exact, engine = ReferenceEvaluator(str(file)), OnnxEngine(file)
    for given in sample:
        row = given.numpy()
        (wanted,) = exact.run(None, {"input_ids": row})
        found = engine.logits(np.array([row.shape[1]]), lambda rows, row=row: list(row))
        assert found == pytest.approx(wanted, abs=1e-4)


def test_metrics_json_says_what_the_fast_model_costs(exported: Path) -> None:
    fast = json.loads((exported / "metrics.json").read_text())["fast"]
    assert fast["kind"] in ("int8", "fp32")
    assert fast["val_agreement"] >= 0.995
    assert fast["val_samples"] == 40
    assert (exported / "model" / fast["file"]).is_file()
    stored = json.loads((exported / "model" / "inference.json").read_text())
    assert stored["fast"] == fast["file"]
    table = pq.read_table(exported / "predictions_val.parquet")
    right = (np.asarray(table["probability"]) > 0.5) == (np.asarray(table["label"]) == 1)
    assert fast["val_accuracy_of_trained"] == pytest.approx(right.mean())


def test_predict_takes_it_on_a_cpu_and_the_network_where_a_precision_is_asked_for(
    exported: Path,
) -> None:
    texts = reviews(exported, 40)
    fast = open_labeller(Run(exported), "cpu")
    assert fast.engine.name.startswith("onnx ")
    whole = open_labeller(Run(exported), "cpu", "32-true")
    assert whole.engine.name == "torch 32-true"
    agreed = (fast.log_odds(texts) > 0) == (whole.log_odds(texts) > 0)
    assert agreed.mean() >= 0.9
    assert Labeller.open(exported / "model").engine.name == fast.engine.name


def test_a_review_gets_its_score_whatever_stands_beside_it(exported: Path) -> None:
    texts = reviews(exported, 12)
    model = open_labeller(Run(exported), "cpu")
    together = model.log_odds(texts)
    assert [model.log_odds([text])[0] for text in texts] == list(together)
    assert list(model.log_odds(texts[::-1])[::-1]) == list(together)


def test_a_model_that_disagrees_is_not_kept(exported: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(exported, tmp_path / "run"))
    table = pq.read_table(run / "predictions_val.parquet")
    _with_probabilities(run, 1 - np.asarray(table["probability"]))
    fast = export(run)
    assert fast["kind"] is None
    assert max(fast["tried"].values()) < 0.1
    assert not list(run.rglob("*.onnx"))
    assert open_labeller(Run(run), "cpu").engine.name == "torch 32-true"


def test_a_damaged_file_is_one_line(exported: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(exported, tmp_path / "run"))
    (file,) = (run / "model").glob("*.onnx")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="is damaged") as caught:
        open_labeller(Run(run), "cpu")
    assert "\n" not in str(caught.value)


def test_labelling_with_it_loads_no_torch(exported: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOWING, "imdb_cls.predict", f"run={exported}", "a good film"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not imported_in(done.stdout) & {"torch", "transformers", "datasets", "pytorch_lightning"}


def test_a_run_makes_it_itself(tiny: list[str], command: Command, tmp_path: Path) -> None:
    done = command("train", *tiny, "export=true", f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    assert "fast model for CPUs: " in done.stdout
    assert "export" in json.loads((tmp_path / "run" / "run.json").read_text())["parts"]
    assert len(list((tmp_path / "run" / "model").glob("*.onnx"))) == 1


def test_what_completes_a_run_does_not_end_it(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from imdb_cls.terminal import Screen
    from imdb_cls.training import complete

    run = Run(shutil.copytree(trained, tmp_path / "run"))
    text = run.config_file.read_text().replace("export: false", "export: true")
    run.config_file.write_text(text)
    resealed(run.path)
    assert not complete.is_complete(run)
    monkeypatch.setattr(graph, "write_int8", lambda encoder, path, sample: 1 / 0)
    assert complete.complete(run, Screen()) == []
    said = capfd.readouterr()
    assert f"python -m imdb_cls.export run={run.path}" in said.out
    assert "ZeroDivisionError" in said.err
    assert run.info().status == "completed"
    monkeypatch.undo()
    # Going on with a run that is complete makes what it lacks.
    from imdb_cls.training.fit import resume

    resume(str(run.path), run.path, [])
    assert complete.is_complete(run)
    assert len(list(run.model_dir.glob("*.onnx"))) == 1


def test_an_older_run_is_told_apart(trained: Path, tmp_path: Path, command: Command) -> None:
    run = unsealed(shutil.copytree(trained, tmp_path / "run"))
    (run / "predictions_val.parquet").unlink()
    done = command("export", f"run={run}")
    assert done.returncode == 2
    assert "predictions_val.parquet" in done.stderr
    assert len(done.stderr.splitlines()) == 1
