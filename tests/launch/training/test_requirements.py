"""A job installs what the package imports, in the versions that everything is tested with."""

import re
import sys
from pathlib import Path

from imdb_cls.config import CONF_DIR
from launch.training.code import REQUIREMENTS, WITH_MLFLOW

ROOT = CONF_DIR.parent


def pins(path: Path) -> dict[str, str]:
    """Requirement lines by the package's name, lower case."""
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    split = [re.split(r"(?=[<>=!~])", line, maxsplit=1) for line in lines if line]
    return {name[0].strip().lower(): (name[1] if len(name) > 1 else "") for name in split}


def test_the_images_own_packages_are_not_pinned() -> None:
    required = pins(REQUIREMENTS)
    assert {"torch", "transformers"} <= set(required)  # named, so that pip keeps them
    for own in ("torch", "transformers", "tokenizers", "huggingface_hub", "numpy", "safetensors"):
        assert required.get(own, "") == "", own


def test_the_jobs_pins_are_those_that_everything_is_tested_with() -> None:
    tested = pins(ROOT / "constraints.txt")
    required = pins(REQUIREMENTS) | pins(WITH_MLFLOW)
    pinned = {name: pin for name, pin in required.items() if pin.startswith("==")}
    assert len(pinned) > 5
    assert pinned == {name: tested[name] for name in pinned}


def test_the_job_is_given_all_that_the_package_imports() -> None:
    # yaml comes with omegaconf; the others are imported only where a config asks for them.
    elsewhere = {"yaml", "boto3", "botocore", "tokenizers", "huggingface_hub", "numpy"}
    elsewhere |= {"safetensors"}
    # What runs a sweep, what reads runs and what exports models stay at home.
    elsewhere |= {"joblib", "optuna", "matplotlib", "jinja2", "markupsafe"}
    elsewhere |= {"captum", "cleanlab", "sklearn", "onnx", "onnxruntime"}
    distributions = {"hydra": "hydra-core", "pytorch_lightning": "pytorch-lightning"}
    imported = {
        name
        for path in (ROOT / "imdb_cls").rglob("*.py")
        for name in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text("utf-8"), re.M)
    }
    third_party = imported - set(sys.stdlib_module_names) - {"imdb_cls", "launch"}
    needed = {distributions.get(name, name) for name in third_party - elsewhere}
    assert "torch" in needed
    assert needed - {"mlflow"} <= set(pins(REQUIREMENTS))  # it is mlflow-skinny in WITH_MLFLOW
