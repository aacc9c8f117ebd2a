"""What the browser's own inference needs from the server: the runtime's files, and isolation from other origins.

Threads in WebAssembly share memory, which browsers allow only on pages that take nothing from other origins. This app
takes nothing from elsewhere, so all of it is isolated.
"""

import mimetypes
import re
from functools import cache
from pathlib import Path
from typing import Any

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from app.services.exports import RUNTIME, RUNTIME_URL

mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("application/wasm", ".wasm")

_ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_FRONT = Path(streamlit.__file__).parent / "static"
_FIRST_SHOWN = ("ButtonGroup", "Selectbox", "Multiselect", "Spinner", "Skeleton", "BidiComponent")
"""What the first page shows; Streamlit's front end asks for each of these only when an element of its kind arrives."""


@cache
def early_links() -> str:
    """A `Link` header that lets the browser fetch those scripts at once, with all that they import."""
    folder = _FRONT / "static" / "js"
    page = (_FRONT / "index.html").read_text(encoding="utf-8")
    waiting = [path.name for kind in _FIRST_SHOWN for path in folder.glob(f"{kind}.*.js")]
    wanted: dict[str, None] = {}
    while waiting:
        name = waiting.pop(0)
        if name not in wanted and name not in page:
            wanted[name] = None
            waiting += re.findall(r'(?:from|import)"\./([\w.-]+\.js)"', (folder / name).read_text(encoding="utf-8"))
    return ", ".join(f"<./static/js/{name}>; rel=modulepreload; crossorigin" for name in wanted)


class Isolated:
    """ASGI middleware: puts the headers of isolation on every answer, and what comes next on every page."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_isolated(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_ISOLATION)
                if headers.get("content-type", "").startswith("text/html") and early_links():
                    headers["Link"] = early_links()
            await send(message)

        await self.app(scope, receive, send_isolated if scope["type"] == "http" else send)


class LaterFiles(StaticFiles):
    """Files of a folder that may come later, by `make web`; until then they are not found."""

    async def check_config(self) -> None:
        """That the folder is not there yet is no mistake."""


ROUTES = [Mount(f"/{RUNTIME_URL.rstrip('/')}", LaterFiles(directory=RUNTIME, check_dir=False))]
MIDDLEWARE = [Middleware(Isolated)]
