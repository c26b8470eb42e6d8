"""Which of Hugging Face's container images trains, and which answers requests."""

import re
from dataclasses import dataclass

from imdb_cls.errors import UserError, one_line
from launch.aws.instances import Instance


@dataclass(frozen=True)
class Image:
    uri: str
    why: str
    python: str
    """Its Python, as 3.11."""


@dataclass(frozen=True)
class _Release:
    """Of Hugging Face's images."""

    torch: str
    transformers: str
    python: str
    lowest: tuple[int, int]
    """The oldest compute capability that its torch has kernels for."""


# The newest first. PyTorch's builds for CUDA 12.8 and later leave Volta (7.0) out.
_RELEASES = (
    _Release("2.9.0", "5.3.0", "py312", (7, 5)),
    _Release("2.5.1", "4.49.0", "py311", (5, 0)),
)
# The newest of the images for inference whose transformers is 4: version 2.6.0 of the toolkit that
# they answer with, as PyPI has it, does not import beside transformers 5.
_INFERENCE = _Release("2.6.0", "4.51.3", "py312", (5, 0))
_ANY_CPU = "ml.m5.xlarge"
# The images have one variant, for GPUs, that runs on a CPU too; the SDK asks for an instance.
_ANY_GPU = "ml.g5.xlarge"


def for_training(asked: str, instance: Instance, region: str) -> Image:
    """The image that `backend.image` asks for; for auto the newest with kernels for the GPU.

    Raises:
        UserError: an image of Hugging Face's that has no kernels for the instance's GPU.
    """
    if asked != "auto":
        return _given(asked, instance)
    from sagemaker.core import image_uris

    release = next(r for r in _RELEASES if _runs(r, instance))
    try:
        uri = image_uris.retrieve(
            "huggingface",
            region,
            version=release.transformers,
            base_framework_version=f"pytorch{release.torch}",
            py_version=release.python,
            image_scope="training",
            instance_type=_ANY_GPU,
        )
    except ValueError as error:
        raise UserError(f"backend.image=auto: {one_line(error)}: set backend.image") from None
    if release is _RELEASES[0]:
        why = "the newest of Hugging Face" + ("" if instance.gpu else "; it runs on CPUs too")
    else:
        why = f"the newest of Hugging Face with kernels for {instance.gpu}"
    return Image(
        uri,
        f"torch {release.torch}, transformers {release.transformers}: {why}",
        f"3.{release.python[3:]}",
    )


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
    """What an image's tag says of its kernels; None if it says nothing that is known for sure.
    PyTorch left Volta out of its CUDA 12.8 builds with 2.7, and of all with CUDA 13; of 2.8's
    builds for CUDA 12.9 the reports differ."""
    tag = re.search(r":(\d+)\.(\d+)(?:\.\d+)?-.*cu(\d{2})(\d)", uri)
    if not tag:
        return None
    torch, cuda = (int(tag[1]), int(tag[2])), (int(tag[3]), int(tag[4]))
    without_volta = cuda >= (13, 0) or (torch >= (2, 7) and cuda == (12, 8))
    return (7, 5) if without_volta else None


def _runs(release: _Release, instance: Instance) -> bool:
    return instance.capability is None or instance.capability >= release.lowest


def for_inference(asked: str, instance: Instance | None, region: str) -> Image:
    """
    Args:
        asked: auto, or a URI.
        instance: None: serverless, which has no GPU.

    Raises:
        UserError: the SDK knows no image for that region.
    """
    if asked != "auto":
        return Image(asked, "as given", f"3.{_INFERENCE.python[3:]}")
    from sagemaker.core import image_uris

    try:
        uri = image_uris.retrieve(
            "huggingface",
            region,
            version=_INFERENCE.transformers,
            base_framework_version=f"pytorch{_INFERENCE.torch}",
            py_version=_INFERENCE.python,
            image_scope="inference",
            instance_type=instance.name if instance else _ANY_CPU,
        )
    except ValueError as error:
        raise UserError(f"image=auto: {one_line(error)}: set image") from None
    kind = f"for the {instance.gpu}" if instance and instance.gpu else "for CPUs"
    why = f"torch {_INFERENCE.torch}, transformers {_INFERENCE.transformers}: Hugging Face's {kind}"
    return Image(uri, why, f"3.{_INFERENCE.python[3:]}")
