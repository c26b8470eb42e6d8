"""Which container image answers: Hugging Face's for inference, for a CPU or a GPU."""

from imdb_cls.errors import UserError, one_line
from launch.images import Image
from launch.instances import Instance

# The newest of the images for inference whose transformers is 4: version 2.6.0 of the toolkit that
# they answer with, as PyPI has it, does not import beside transformers 5.
_TORCH, _TRANSFORMERS, _PYTHON = "2.6.0", "4.51.3", "py312"
_ANY_CPU = "ml.m5.xlarge"


def choose(asked: str, instance: Instance | None, region: str) -> Image:
    """
    Args:
        asked: auto, or a URI.
        instance: None: serverless, which has no GPU.

    Raises:
        UserError: the SDK knows no image for that region.
    """
    if asked != "auto":
        return Image(asked, "as given", f"3.{_PYTHON[3:]}")
    from sagemaker.core import image_uris

    try:
        uri = image_uris.retrieve(
            "huggingface",
            region,
            version=_TRANSFORMERS,
            base_framework_version=f"pytorch{_TORCH}",
            py_version=_PYTHON,
            image_scope="inference",
            instance_type=instance.name if instance else _ANY_CPU,
        )
    except ValueError as error:
        raise UserError(f"image=auto: {one_line(error)}: set image") from None
    kind = f"for the {instance.gpu}" if instance and instance.gpu else "for CPUs"
    why = f"torch {_TORCH}, transformers {_TRANSFORMERS}: Hugging Face's {kind}"
    return Image(uri, why, f"3.{_PYTHON[3:]}")
