"""The JavaScript of `app/web/`, served as the ES modules that they are, and how a component loads its own.

An address holds the hash of all of these files: browsers keep what they fetched for a year and never mix two versions.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

_FOLDER = Path(__file__).resolve().parent / "web"
_URL = "web-modules"
_FIRST_SHOWN = {
    "": ("shared/", "numbers/", "viewer/"),
    "temperature": ("shared/colours.mjs", "shared/dom.mjs", "temperature/"),
    "browser": ("shared/dom.mjs", "in_browser/", "offline/keeping.mjs"),
}
"""By the last part of a page's address: how the names of the modules begin that its component imports."""


@cache
def modules() -> dict[str, bytes]:
    """Every module by its name below `app/web/`; read once, for one version of them at a time."""
    return {path.relative_to(_FOLDER).as_posix(): path.read_bytes() for path in sorted(_FOLDER.rglob("*.mjs"))}


@cache
def version() -> str:
    """16 hexadecimal digits that change with any module."""
    found = hashlib.sha256()
    for name, text in modules().items():
        found.update(f"{name} {len(text)} ".encode() + text)
    return found.hexdigest()[:16]


def address(name: str) -> str:
    """Where a module is served, relative to the app's address. Raises `KeyError` where there is none of this name."""
    if name not in modules():
        raise KeyError(name)
    return f"{_URL}/{version()}/{name}"


def script(name: str) -> str:
    """What a component takes as its JavaScript: it imports the module `name` and calls its default export.

    Streamlit loads this text from a `blob:` address, against which no relative one can be resolved. Every page of the
    app is one step below the app's address, wherever that is.
    """
    return (
        f'const module = new URL("{address(name)}", document.baseURI).href;\n'
        "export default async (given) => (await import(module)).default(given);\n"
    )


def styles(*names: str) -> str:
    """Style sheets of `app/web/`, one behind the other."""
    return "".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


def routes(prefix: str = "") -> list[BaseRoute]:
    """The modules below `prefix`, which is empty or begins with a slash."""
    return [Route(f"{prefix}/{_URL}/{{version}}/{{name:path}}", _answer, methods=["GET"])]


def _answer(request: Request) -> Response:
    """Only names that `modules` gives are ever looked up, so no address leads out of the folder."""
    found = modules().get(request.path_params["name"])
    if found is None or request.path_params["version"] != version():
        return PlainTextResponse("There is no such module.\n", status_code=404, headers={"Cache-Control": "no-store"})
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(found, media_type="text/javascript", headers=kept)


@cache
def early_links(page: str) -> str:
    """A `Link` header that lets the browser fetch a page's modules behind Streamlit's own scripts; may be empty.

    A browser keeps six connections to a server. Twenty modules would hold all of them before the scripts that draw the
    page are asked for, hence the low priority.
    """
    names = [name for name in modules() if name.startswith(_FIRST_SHOWN[page])] if page in _FIRST_SHOWN else []
    return ", ".join(f"<./{address(name)}>; rel=modulepreload; fetchpriority=low" for name in names)


class _EarlyLinks:
    """ASGI middleware: puts `early_links` on the pages that have any."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        page = scope["path"].rpartition("/")[2] if scope["type"] == "http" else None
        if page not in _FIRST_SHOWN:
            await self.app(scope, receive, send)
            return

        async def send_linked(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Link"] = early_links(page)
            await send(message)

        await self.app(scope, receive, send_linked)


MIDDLEWARE = [Middleware(_EarlyLinks)]
