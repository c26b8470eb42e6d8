"""What Hugging Face's inference toolkit calls on SageMaker: code/inference.py of a model.tar.gz."""

import os
from pathlib import Path

from imdb_cls.inference import answers, contract
from imdb_cls.inference.contract import Limits, Request
from imdb_cls.inference.engine import cores
from imdb_cls.inference.faults import BadRequest
from imdb_cls.inference.labeller import Labeller

# SageMaker counts the bytes before we do, and lets a transform job send more than an endpoint.
_LIMITS = Limits(body_bytes=100 * 1024 * 1024)


def model_fn(model_dir: str, context: object = None) -> Labeller:
    """The model, for as many threads as each of the toolkit's workers has cores (one worker a core,
    if SAGEMAKER_MODEL_SERVER_WORKERS says nothing else)."""
    workers = int(os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS") or cores())
    return Labeller.open(Path(model_dir), threads=max(1, cores() // workers))


def transform_fn(
    model: Labeller,
    body: str | bytes,
    content_type: str | None,
    accept: str | None,
    context: object = None,
) -> str:
    """A request's answer. Raises BadRequest, whose line the toolkit answers with status 400."""
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    request = contract.parse(content, content_type, _LIMITS, accept)
    if not request.parameters.truncation:
        check_lengths(request, model)
    return answers.write(request, model.logits(request.texts), model.temperature).decode()


def check_lengths(request: Request, model: Labeller) -> None:
    """Raises BadRequest (400) if a text is so long that it would be cut."""
    most = model.tokenizer.max_length
    for number, count in enumerate(model.tokenizer(request.texts)["tokens"]):
        if count > most:
            where = "inputs" if request.alone else f"inputs[{number}]"
            raise BadRequest(400, f"{where}: {count:,} tokens: at most {most:,} without truncation")
