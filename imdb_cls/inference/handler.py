"""What Hugging Face's inference toolkit calls on SageMaker: code/inference.py of a model.tar.gz."""

import os
from pathlib import Path

from imdb_cls.inference import contract
from imdb_cls.inference.contract import BadRequest, Limits, Request
from imdb_cls.inference.engine import LogOdds, cores
from imdb_cls.inference.labeller import Labeller, probability

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
    """A request's answer, as JSON. Raises BadRequest, whose line the toolkit answers with status
    400."""
    if accept and not _takes_json(accept):
        raise BadRequest(406, f"Accept: {accept[:40]!r}: the answer is {contract.CONTENT_TYPE}")
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    request = contract.parse(content, content_type, _LIMITS)
    return answer(request, model.log_odds(request.texts), model.temperature).decode()


def answer(request: Request, log_odds: LogOdds, temperature: float) -> bytes:
    """The answer to a request, as JSON.

    Args:
        log_odds: [texts], calibrated, of POSITIVE.
        temperature: what they were divided by.
    """
    asked = log_odds if request.calibrated else log_odds * temperature
    return contract.encode(contract.answer(request, probability(asked).tolist()))


def _takes_json(accept: str) -> bool:
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return bool(kinds & {contract.CONTENT_TYPE, "application/*", "*/*"})
