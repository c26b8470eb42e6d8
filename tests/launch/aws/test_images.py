"""The image fits the GPU, whoever chose it."""

import pytest

from imdb_cls.errors import UserError
from launch.aws import images
from launch.aws.instances import find

REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training"
OLDER = "2.5.1-transformers4.49.0-gpu-py311-cu124-ubuntu22.04"
NEWEST = "2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
NEITHER_SURE = "2.8.0-transformers4.56.2-gpu-py312-cu129-ubuntu22.04"
WITHOUT_VOLTA = ("2.7.1-transformers4.55.0-gpu-py312-cu128-ubuntu22.04", NEWEST)


@pytest.mark.parametrize("kind", ["ml.p3.2xlarge", "ml.p3.16xlarge", "ml.p3dn.24xlarge"])
def test_a_v100_gets_the_last_image_with_kernels_for_it(kind: str) -> None:
    image = images.for_training("auto", [find(kind)], "us-east-1")
    assert image.uri == f"{REGISTRY}:{OLDER}"
    assert image.python == "3.11"
    assert "with kernels for V100" in image.why
    assert image.why.startswith("torch 2.5.1, transformers 4.49.0")


@pytest.mark.parametrize(
    "kind",
    [
        *("ml.g4dn.xlarge", "ml.g5.xlarge", "ml.g6.xlarge", "ml.g6e.xlarge", "ml.p4d.24xlarge"),
        *("ml.p5.48xlarge", "ml.m5.xlarge", "ml.c7i.4xlarge"),
    ],
)
def test_every_other_machine_gets_the_newest(kind: str) -> None:
    image = images.for_training("auto", [find(kind)], "us-east-1")
    assert image.uri == f"{REGISTRY}:{NEWEST}"
    assert image.python == "3.12"
    assert ("runs on CPUs too" in image.why) == (find(kind).gpu is None)


def test_the_image_comes_from_the_regions_own_registry() -> None:
    assert (
        ".eu-central-1." in images.for_training("auto", [find("ml.g5.xlarge")], "eu-central-1").uri
    )


@pytest.mark.parametrize("tag", WITHOUT_VOLTA)
def test_an_image_without_kernels_for_the_gpu_is_refused(tag: str) -> None:
    with pytest.raises(UserError) as error:
        images.for_training(f"{REGISTRY}:{tag}", [find("ml.p3.2xlarge")], "us-east-1")
    line = str(error.value)
    assert tag in line
    assert "V100 of ml.p3.2xlarge (sm_70)" in line
    assert "backend.image=auto" in line


@pytest.mark.parametrize("tag", WITHOUT_VOLTA)
@pytest.mark.parametrize("kind", ["ml.g4dn.xlarge", "ml.g5.xlarge", "ml.m5.xlarge"])
def test_on_other_machines_the_same_image_is_taken(kind: str, tag: str) -> None:
    image = images.for_training(f"{REGISTRY}:{tag}", [find(kind)], "us-east-1")
    assert image == images.Image(f"{REGISTRY}:{tag}", "backend.image", "3.12")


@pytest.mark.parametrize("tag", [OLDER, NEITHER_SURE])
def test_a_v100_takes_what_is_not_known_to_lack_its_kernels(tag: str) -> None:
    assert images.for_training(
        f"{REGISTRY}:{tag}", [find("ml.p3.2xlarge")], "us-east-1"
    ).uri.endswith(tag)


@pytest.mark.parametrize(
    "uri",
    [
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:latest",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine@sha256:" + "0" * 64,
        "mine",
    ],
)
def test_an_image_that_says_nothing_of_its_kernels_is_taken(uri: str) -> None:
    assert images.for_training(uri, [find("ml.p3.2xlarge")], "us-east-1").uri == uri


def test_of_several_machines_the_image_has_kernels_for_the_oldest_gpu() -> None:
    kinds = [find(name) for name in ("ml.g5.xlarge", "ml.p3.2xlarge", "ml.m5.xlarge")]
    assert "torch 2.5.1" in images.for_training("auto", kinds, "us-east-1").why
    assert "torch 2.9.0" in images.for_training("auto", kinds[::2], "us-east-1").why
    with pytest.raises(UserError, match=r"no kernels for the V100 of ml\.p3\.2xlarge"):
        images.for_training(f"{REGISTRY}:{NEWEST}", kinds, "us-east-1")
