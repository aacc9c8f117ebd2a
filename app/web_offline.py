"""The page In your browser for use without a network: one static page, its service worker, and what installs it.

The page holds no model and nothing of anybody: the visitor's own browser keeps the model (app/web/offline/keeping.mjs).
"""

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import web_modules
from app.services.exports import RUNTIME, RUNTIME_URL

_FOLDER = Path(__file__).resolve().parent
_URL = "offline"
_NEEDED = ("shared/dom.mjs", "in_browser/", "offline/")
_RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""What WebAssembly takes. Where there is WebGPU and a network, its files are fetched as ever."""
_THEME = """
:root { color-scheme: light dark; --st-font: system-ui, -apple-system, "Segoe UI", sans-serif; --st-base-radius: 8px;
  --st-text-color: light-dark(#1f2421, #ece9e2); --st-border-color: light-dark(#d8d3c6, #4a4f4b);
  --st-secondary-background-color: light-dark(#f3f0e8, #232725); --st-primary-color: light-dark(#1b7a61, #2a9479); }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 3rem; font-family: var(--st-font);
  color: var(--st-text-color); background: light-dark(#fcfbf8, #171a18); }
"""
_SQUARE = ('width="36" height="40" viewBox="0 0 36 40"', 'width="40" height="40" viewBox="-2 0 40 40"')
"""What the mark says of its size, and what an icon of a home screen has to say."""
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Terrastill, offline</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="theme-color" content="#1b7a61">
<link rel="manifest" href="manifest.webmanifest"><link rel="icon" href="icon.svg">
<link rel="stylesheet" href="page.css">
<script type="module" src="../{script}"></script></head>
<body><h1>In your browser</h1><p>The model is kept in this browser. Images are not uploaded, and no network is
needed.</p><div class="in-browser"></div></body></html>
"""


def files() -> list[str]:
    """All that the page takes, relative to its address."""
    modules = [f"../{web_modules.address(name)}" for name in web_modules.modules() if name.startswith(_NEEDED)]
    runtime = [f"../{RUNTIME_URL}{name}" for name in _RUNTIME_FILES if (RUNTIME / name).is_file()]
    return ["./", "page.css", "icon.svg", "manifest.webmanifest", *modules, *runtime]


def routes(prefix: str = "") -> list[BaseRoute]:
    """The page and what belongs to it below `prefix`, which is empty or begins with a slash."""
    answers = {
        "": _page,
        "page.css": _styles,
        "icon.svg": _icon,
        "manifest.webmanifest": _manifest,
        "service-worker.js": _worker,
    }
    return [Route(f"{prefix}/{_URL}/{name}", answer, methods=["GET"]) for name, answer in answers.items()]


def _page(_: Request) -> Response:
    return _fresh(_PAGE.format(script=web_modules.address("offline/offline.mjs")), "text/html")


def _styles(_: Request) -> Response:
    return _fresh(_THEME + web_modules.styles("in_browser/in_browser.css"), "text/css")


def _icon(_: Request) -> Response:
    text = (_FOLDER / "components" / "mark.svg").read_text(encoding="utf-8")
    return _fresh(text.replace(*_SQUARE), "image/svg+xml")


def _manifest(_: Request) -> Response:
    icon = {"src": "icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}
    told = {"name": "Terrastill, offline", "short_name": "Terrastill", "start_url": "./", "scope": "./"}
    told |= {"display": "standalone", "background_color": "#fcfbf8", "theme_color": "#1b7a61"}
    return _fresh(json.dumps({**told, "icons": [icon]}), "application/manifest+json")


def _worker(_: Request) -> Response:
    text = (_FOLDER / "web" / "offline" / "service_worker.js").read_text(encoding="utf-8")
    head = f"const VERSION = {json.dumps(web_modules.version())};\nconst FILES = {json.dumps(files())};\n"
    return _fresh(head + text, "text/javascript")


def _fresh(text: str, media: str) -> Response:
    return Response(text, media_type=media, headers={"Cache-Control": "no-cache"})
