"""The inference contract over HTTP: /ping, /invocations, and a page about them at /docs."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from imdb_cls import __version__
from imdb_cls.inference import contract, handler
from imdb_cls.inference.contract import BadRequest, Limits
from imdb_cls.inference.labeller import Labeller
from launch.serving import body_limits, schema
from launch.serving.batching import Batcher, Busy
from launch.serving.options import Options


def make(labeller: Labeller, options: Options) -> FastAPI:
    """The app of a model that is loaded."""
    limits = Limits(options.max_body_mb * 1024 * 1024, options.max_texts, options.max_characters)
    batcher = Batcher(
        lambda texts: [float(value) for value in labeller.log_odds(texts)],
        ThreadPoolExecutor(1, "labelling"),
        most=2 * limits.texts,
    )
    app = FastAPIOffline(
        title="imdb_cls",
        version=__version__,
        description=schema.DESCRIPTION,
        redoc_url=None,
        static_url="/docs/static",
        # Or the page asks validator.swagger.io for its opinion.
        swagger_ui_parameters={"validatorUrl": None},
    )
    app.add_middleware(body_limits.Lingering, seconds=options.body_seconds)

    @app.get("/ping", summary="Whether the model is loaded")
    async def ping() -> dict[str, str]:
        return {"status": "Healthy"}

    @app.post(
        "/invocations",
        summary="Label texts",
        openapi_extra=schema.body(limits),
        responses=schema.answers(),
    )
    async def invocations(request: Request) -> Response:
        contract.check_content_type(request.headers.get("content-type"))
        body = await body_limits.body_of(request, limits, options.body_seconds)
        asked = contract.parse(body, request.headers.get("content-type"), limits)
        log_odds = await _unless_gone(request, batcher, asked.texts)
        if log_odds is None:
            return Response()  # to nobody
        content = handler.answer(asked, np.array(log_odds), labeller.temperature)
        return _json(200, content)

    _add_errors(app)
    return app


async def _unless_gone(request: Request, batcher: Batcher, texts: list[str]) -> list[float] | None:
    """The texts' log-odds, or None once nobody waits for them any more."""
    work = asyncio.create_task(batcher.log_odds(texts))
    gone = asyncio.create_task(body_limits.is_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await work if work.done() else None
    finally:
        work.cancel()
        gone.cancel()


def _add_errors(app: FastAPI) -> None:
    """One line of JSON, whatever went wrong."""

    @app.exception_handler(BadRequest)
    async def bad(request: Request, error: BadRequest) -> Response:
        return _json(error.status, body_limits.error(error.message))

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> Response:
        return _json(503, body_limits.error(f"{error}: try again"), {"retry-after": "1"})

    @app.exception_handler(HTTPException)
    async def no_such(request: Request, error: HTTPException) -> Response:
        what = f"{request.method} {request.scope['path']}"
        shown = ascii(what if len(what) <= 60 else what[:59] + "…")[1:-1]
        message = f"{shown}: {error.detail}: there are GET /ping, POST /invocations and GET /docs"
        return _json(error.status_code, body_limits.error(message), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> Response:
        # What went wrong is for the log, where Starlette and uvicorn write it.
        return _json(500, body_limits.error("an error of the server's own: its log says more"))


def _json(status: int, content: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(content, status, headers, contract.CONTENT_TYPE)
