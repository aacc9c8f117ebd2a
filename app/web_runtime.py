"""What the browser's own inference needs from the server: the runtime's files, and isolation from other origins.

Threads in WebAssembly share memory, which browsers allow only on pages that take nothing from other origins. This app
takes nothing from elsewhere, so all of it is isolated.
"""

import mimetypes
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from app.services.exports import RUNTIME, RUNTIME_URL

mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("application/wasm", ".wasm")

_ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


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
    """The runtime's files below `prefix`, which is empty or begins with a slash."""
    return [Mount(f"{prefix}/{RUNTIME_URL.rstrip('/')}", OptionalFiles(directory=RUNTIME, check_dir=False))]


MIDDLEWARE = [Middleware(Isolated)]
