"""The inference contract over HTTP: /ping, /invocations, a page about them at /docs, and a page for
people at /."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse

from imdb_cls import __version__
from imdb_cls.inference import answers, contract, handler
from imdb_cls.inference.contract import Limits
from imdb_cls.inference.faults import BadRequest, quoted
from imdb_cls.inference.labeller import Labeller
from launch.serving import body_limits, page, schema
from launch.serving.batching import Batcher, Busy
from launch.serving.options import ServingOptions
from launch.serving.page import ServedModel


def make(labeller: Labeller, options: ServingOptions, model: ServedModel) -> FastAPI:
    """The app that answers with a loaded model, of which people are told what is in `model`."""
    limits = Limits(options.max_body_mb * 1024 * 1024, options.max_texts, options.max_characters)
    thread = ThreadPoolExecutor(1, "labelling")
    batcher = Batcher(lambda texts: labeller.logits(texts).tolist(), thread, 2 * limits.texts)
    app = FastAPIOffline(
        title="imdb_cls",
        version=__version__,
        description=schema.DESCRIPTION,
        redoc_url=None,
        static_url="/docs/static",
        # Otherwise the page asks validator.swagger.io for its opinion.
        swagger_ui_parameters={"validatorUrl": None},
    )

    people = page.render(model, limits)

    @app.get("/", include_in_schema=False)
    async def root() -> Response:
        return HTMLResponse(people, headers=page.HEADERS)

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
        # Of two headers of one name a proxy may take the one, and we the other.
        content_type = ",".join(request.headers.getlist("content-type"))
        accept = ",".join(request.headers.getlist("accept"))
        contract.check_content_type(content_type)
        if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
            raise BadRequest(415, f"Content-Encoding: {quoted(encoding)}: send the body as it is")
        try:
            body = await body_limits.read_body(request, limits, options.body_seconds)
            asked = contract.parse(body, content_type, limits, accept)
            if not asked.parameters.truncation:
                await asyncio.to_thread(handler.check_lengths, asked, labeller)
            logits = np.array(await _logits(request, batcher, asked.texts))
        except asyncio.CancelledError:
            # The server is stopping, and has waited for its last requests as long as it does.
            return body_limits.Refusal(503, "the server is shutting down")
        content = answers.write(asked, logits, labeller.temperature)
        return Response(content, media_type=asked.answer_type)

    _add_errors(app, options.body_seconds)
    return app


async def _logits(
    request: Request, batcher: Batcher[list[float]], texts: list[str]
) -> list[list[float]]:
    """Those of each text. Raises ClientDisconnect if the client goes away before they are there."""
    work = asyncio.create_task(batcher.label(texts))
    gone = asyncio.create_task(body_limits.until_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return await work
    finally:
        work.cancel()
        gone.cancel()


def _add_errors(app: FastAPI, seconds: float) -> None:
    """Every error is answered with one line of JSON."""
    refusal = partial(body_limits.Refusal, seconds=seconds)

    @app.exception_handler(BadRequest)
    async def bad_request(request: Request, error: BadRequest) -> Response:
        return refusal(error.status, error.message)

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> Response:
        return refusal(503, f"{error}: try again", {"retry-after": "1"})

    @app.exception_handler(ClientDisconnect)
    async def client_gone(request: Request, error: ClientDisconnect) -> Response:
        return Response()  # nobody is there to read it

    @app.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> Response:
        what = quoted(f"{request.method} {request.scope['path']}")
        message = f"{what}: {error.detail}: there are POST /invocations, GET /, /ping and /docs"
        return refusal(error.status_code, message, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def internal_error(request: Request, error: Exception) -> Response:
        # Starlette and uvicorn write what went wrong to the log.
        return refusal(500, "an error of the server's own: its log says more")
