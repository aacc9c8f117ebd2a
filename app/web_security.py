"""What the server asks of every request and tells every browser: its names, its own pages, and what those may load."""

import base64
import hashlib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from app.services import hosts

_NOT_THIS_NAME = (
    "This server does not answer to the name that was asked for. Its operator can list the name under hosts in "
    "access.toml (docs/SECURITY.md)."
)
_NOT_FROM_THERE = "This was sent by a page of another site, which may change nothing here."
_READING = ("GET", "HEAD", "OPTIONS")
_REFUSED_HANDSHAKE = 1008


class _InlineScripts(HTMLParser):
    """The scripts that stand in a page itself, in `found`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and "src" not in dict(attrs)

    def handle_data(self, data: str) -> None:
        if self._inside and data.strip():
            self.found.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside = False


@cache
def policy() -> str:
    """The Content-Security-Policy: nothing from elsewhere, no frame around us, no script that is not the app's own.

    `blob:` is how Streamlit loads the scripts of own components, `wasm-unsafe-eval` lets WebAssembly be compiled, and
    styles stand in the elements themselves. Streamlit's one inline script is known by its hash.
    """
    page = _InlineScripts()
    page.feed((Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8"))
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.found]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    rules = (
        "default-src 'self'",
        f"script-src 'self' blob: 'wasm-unsafe-eval' {allowed}".strip(),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules)


def headers() -> dict[str, str]:
    """The headers of every answer."""
    return {
        "Content-Security-Policy": policy(),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }


class Secured:
    """ASGI middleware: refuses foreign names and foreign pages, and puts `headers` on every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_secured(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers())
            await send(message)

        why_not = refusal(scope)
        if why_not is None:
            await self.app(scope, receive, send_secured)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _REFUSED_HANDSHAKE})
        else:
            await PlainTextResponse(f"{why_not}\n", status_code=403)(scope, receive, send_secured)


def refusal(scope: Any) -> str | None:
    """Why a request is not answered, in a sentence; None where it is. `scope` is ASGI's, of HTTP or a WebSocket."""
    found = Headers(scope=scope)
    names = found.getlist("host")
    host = names[0] if len(names) == 1 else None
    if not hosts.answers_to(host, came_in_on=(scope.get("server") or (None,))[0]):
        return _NOT_THIS_NAME
    changes = scope["type"] == "websocket" or scope["method"] not in _READING
    if changes and not hosts.comes_from_here(found.get("origin"), host):
        return _NOT_FROM_THERE
    return None


MIDDLEWARE = [Middleware(Secured)]
