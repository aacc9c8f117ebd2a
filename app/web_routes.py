"""What the server gives beside pages: what `services.deferred` keeps for a browser, and the runtime's files.

The runtime (ONNX Runtime as WebAssembly) also needs isolation from other origins: its threads share memory, which
browsers allow only on pages that take nothing from elsewhere. This app takes nothing from elsewhere, so all of it is
isolated.
"""

import mimetypes
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from app.services.deferred import DEFERRED, Offer
from app.services.exports import RUNTIME, RUNTIME_URL
from app.services.visitors import visitor_of

mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("application/wasm", ".wasm")

_URL = "deferred"
_ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def address(offer: Offer) -> str:
    """Relative to the app's address, below which every page is one step."""
    return f"{_URL}/{offer.token}"


def _answer(request: Request) -> Response:
    """All of the bytes, also as the one range that the viewer asks for: what is sent as a range is not packed again."""
    private = {"Cache-Control": "private, no-store"}
    found = DEFERRED.get(request.path_params["token"], visitor=visitor_of(request.cookies))
    if found is None:
        return PlainTextResponse("There is nothing here any more: reload the page.\n", status_code=404, headers=private)
    if found and request.headers.get("range") == "bytes=0-":
        span = {"Content-Range": f"bytes 0-{len(found) - 1}/{len(found)}"}
        return Response(found, 206, {**private, **span}, media_type="application/octet-stream")
    return Response(found, headers=private, media_type="application/octet-stream")


class Isolated:
    """ASGI middleware: puts the headers of isolation on every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_isolated(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_ISOLATION)
            await send(message)

        await self.app(scope, receive, send_isolated if scope["type"] == "http" else send)


class OptionalFiles(StaticFiles):
    """Files of a folder that may come later, by `make web`; until then they are not found."""

    async def check_config(self) -> None:
        """That the folder is not there yet is no mistake."""


def routes(prefix: str = "") -> list[BaseRoute]:
    """Every offer and the runtime's files below `prefix`, which is empty or begins with a slash."""
    return [
        Route(f"{prefix}/{_URL}/{{token}}", _answer, methods=["GET"]),
        Mount(f"{prefix}/{RUNTIME_URL.rstrip('/')}", OptionalFiles(directory=RUNTIME, check_dir=False)),
    ]


MIDDLEWARE = [Middleware(Isolated)]
