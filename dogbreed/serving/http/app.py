"""The endpoint over HTTP: /ping, /invocations, /metrics and the page."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dogbreed.serving.http.docs import docs_page
from dogbreed.serving.http.endpoint import Endpoint
from dogbreed.serving.http.openapi import INVOCATIONS, PING, RESPONSES, with_token
from dogbreed.serving.requests.invocations import JSON_TYPE, RequestError
from dogbreed.utils.version import __version__

# A path of the page to its type and its content.
Pages = Mapping[str, tuple[str, bytes]]


def build_app(endpoint: Endpoint, pages: Pages, *, token: bool = False) -> FastAPI:
    """The app of an endpoint whose worker is started or starting.

    Args:
        token: its documentation says that requests need one, which `Guard` checks.
    """
    # FastAPI's own documentation pages would fetch scripts from another host, and its redirects
    # would go to whatever host the request names.
    app = FastAPI(
        title="dogbreed",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )

    @app.get(
        "/ping",
        summary="Whether the model is ready",
        responses=PING,
        response_class=Response,
    )
    async def ping() -> Response:
        return Response(status_code=200 if endpoint.ready else 503)

    @app.post(
        "/invocations",
        summary="Classify photos",
        openapi_extra=INVOCATIONS,
        responses=RESPONSES,
        response_class=JSONResponse,
    )
    async def invocations(request: Request) -> Response:
        """A photo's bytes, base64 of them, a form with files, or JSON with photos in base64."""
        return as_json(await endpoint.respond(request))

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(endpoint.counters.as_text(), media_type="text/plain; version=0.0.4")

    for path, (media_type, content) in pages.items():
        _add_page(app, path, media_type, content)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_page(app.openapi()), media_type="text/html; charset=utf-8")

    if token:
        app.openapi_schema = with_token(app.openapi())  # app.openapi() returns it from now on

    @app.exception_handler(RequestError)
    async def refuse(request: Request, error: RequestError) -> Response:
        headers = {"Retry-After": "1"} if error.status in (429, 503) else {}
        return as_json(error.as_dict(), error.sent_status, headers)

    @app.exception_handler(HTTPException)
    async def refuse_path(request: Request, error: HTTPException) -> Response:
        code = str(error.detail).lower().replace(" ", "_")
        unknown = RequestError(
            error.status_code, code, f"{request.method} {request.scope['path']}: {error.detail}."
        )
        return as_json(unknown.as_dict(), unknown.status, dict(error.headers or {}))

    @app.exception_handler(ClientDisconnect)
    async def drop(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # the client is gone

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> Response:
        failed = RequestError(500, "failed", "The server failed: see its log.")
        return as_json(failed.as_dict(), failed.status)

    return app


def as_json(
    values: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response."""
    return Response(json.dumps(values), status, dict(headers or {}), JSON_TYPE)


def _add_page(app: FastAPI, path: str, media_type: str, content: bytes) -> None:
    @app.get(path, include_in_schema=False)
    async def page() -> Response:
        return Response(content, media_type=media_type)
