"""A damaged model is found before anything of it is sent, and paid for."""

import re
import shutil
from pathlib import Path

import pytest

from imdb_cls.errors import UserError
from imdb_cls.runs.run import Run
from launch.hosting.model import check
from tests.support.damage import DAMAGES
from tests.support.hosted import Account
from tests.support.runs import resealed

FILES = ("config.json", "model.safetensors", "inference.json", "tokenizer.json", "model.fp32.onnx")


@pytest.fixture
def run(fast_run: Path, tmp_path: Path) -> Run:
    ignored = shutil.ignore_patterns("checkpoints")
    return Run(shutil.copytree(fast_run, tmp_path / "run", ignore=ignored))


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_model_is_one_line(run: Run, name: str, how: str) -> None:
    DAMAGES[how](run.model_dir / name)
    with pytest.raises(UserError) as error:
        check(run)
    assert len(str(error.value).splitlines()) == 1


def test_a_whole_one_is_sent_whatever_it_was_tested_in(run: Run) -> None:
    whole = run.config_file.read_text()
    tested = re.sub("eval_precision: .*", "eval_precision: 16-mixed", whole)
    assert tested != whole
    run.config_file.write_text(re.sub("accelerator: .*", "accelerator: gpu", tested))
    resealed(run.path)
    check(run)


def test_nothing_of_a_damaged_one_is_sent(account: Account, tmp_path: Path) -> None:
    DAMAGES["flipped"](account.run / "model" / "model.safetensors")
    reviews = tmp_path / "reviews.csv"
    reviews.write_text("text\ngood\n")
    for said in (account.deploy(), account.batch(reviews), account.deploy("dry_run=true")):
        assert "model.safetensors is damaged" in said.line
    assert account.changes == []
    assert "PutObject" not in account.asked
    assert account.record() is None
