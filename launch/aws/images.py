"""Which of Hugging Face's container images trains, and which answers requests."""

import functools
import re
from dataclasses import dataclass

from imdb_cls.errors import UserError, one_line
from launch.aws.instances import Instance


@dataclass(frozen=True)
class Image:
    uri: str
    why: str
    python: str
    """The version of its Python, as 3.11."""


@dataclass(frozen=True)
class _Release:
    """A release of Hugging Face's images."""

    torch: str
    transformers: str
    python: str
    """As 3.11."""
    lowest: tuple[int, int]
    """The oldest compute capability that its torch has kernels for."""

    # The SDK reads megabytes of JSON for every answer.
    @functools.cache  # noqa: B019 - releases are constants
    def image(self, scope: str, region: str, instance_type: str, why: str, key: str) -> Image:
        """Raises UserError if the SDK knows no such image in that region; `key` sets another."""
        from sagemaker.core import image_uris

        try:
            uri = image_uris.retrieve(
                "huggingface",
                region,
                version=self.transformers,
                base_framework_version=f"pytorch{self.torch}",
                py_version=f"py{self.python.replace('.', '')}",
                image_scope=scope,
                instance_type=instance_type,
            )
        except ValueError as error:
            raise UserError(f"{key}=auto: {one_line(error)}: set {key}") from None
        versions = f"torch {self.torch}, transformers {self.transformers}"
        return Image(uri, f"{versions}: {why}", self.python)


# The newest first. PyTorch's builds for CUDA 12.8 and later have no kernels for Volta (7.0).
_TRAINING = (
    _Release("2.9.0", "5.3.0", "3.12", (7, 5)),
    _Release("2.5.1", "4.49.0", "3.11", (5, 0)),
)
# The newest of the images for inference that has transformers 4: version 2.6.0 of the toolkit that
# they answer with, as PyPI has it, cannot be imported beside transformers 5.
_INFERENCE = _Release("2.6.0", "4.51.3", "3.12", (5, 0))
# The training images have one variant, for GPUs, which runs on CPUs too; the SDK wants an instance.
_ANY_GPU, _ANY_CPU = "ml.g5.xlarge", "ml.m5.xlarge"


def for_training(asked: str, instances: list[Instance], region: str) -> Image:
    """The image that `backend.image` asks for; for auto the newest with kernels for all the GPUs.
    Raises UserError for an image of Hugging Face's that has no kernels for one of them."""
    oldest = min(instances, key=lambda instance: instance.capability or (99, 0))
    if asked != "auto":
        return _given(asked, oldest)
    newest = _TRAINING[0]
    release = next(r for r in _TRAINING if (oldest.capability or r.lowest) >= r.lowest)
    why = "the newest of Hugging Face"
    if release is not newest:
        why += f" with kernels for {oldest.gpu}"
    elif not oldest.gpu:
        why += "; it runs on CPUs too"
    return release.image("training", region, _ANY_GPU, why, "backend.image")


def for_inference(asked: str, instance: Instance | None, region: str) -> Image:
    """The image that is `asked` for: a URI, or auto. Without an instance it is serverless, and has
    no GPU. Raises UserError if the SDK knows no image for that region."""
    if asked != "auto":
        return Image(asked, "as given", _INFERENCE.python)
    kind = f"for the {instance.gpu}" if instance and instance.gpu else "for CPUs"
    name = instance.name if instance else _ANY_CPU
    return _INFERENCE.image("inference", region, name, f"Hugging Face's {kind}", "image")


def _given(uri: str, instance: Instance) -> Image:
    lowest = _lowest(uri)
    if lowest and instance.capability and instance.capability < lowest:
        raise UserError(
            f"backend.image={uri} has no kernels for the {instance.gpu} of {instance.name}"
            f" (sm_{instance.capability[0]}{instance.capability[1]}):"
            " take backend.image=auto, or a newer GPU such as ml.g5.xlarge"
        )
    python = re.search(r"py3(\d+)", uri)
    return Image(uri, "backend.image", f"3.{python[1]}" if python else "3.11")


def _lowest(uri: str) -> tuple[int, int] | None:
    """The oldest compute capability that an image has kernels for, by its tag; None: the tag does
    not say it for sure. PyTorch left Volta out of its CUDA 12.8 builds with 2.7, and of all builds
    with CUDA 13; of 2.8's builds for CUDA 12.9 the reports differ."""
    tag = re.search(r":(\d+)\.(\d+)(?:\.\d+)?-.*cu(\d{2})(\d)", uri)
    if not tag:
        return None
    torch, cuda = (int(tag[1]), int(tag[2])), (int(tag[3]), int(tag[4]))
    without_volta = cuda >= (13, 0) or (torch >= (2, 7) and cuda == (12, 8))
    return (7, 5) if without_volta else None
