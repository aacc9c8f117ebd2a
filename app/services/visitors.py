"""Who came back: an id in a cookie that scripts cannot read, and the name of the folder that belongs to it.

The id is never part of an address, so a link that somebody shares opens nothing of theirs. A folder is named by a hash
of the id: who can list the folders cannot tell the ids.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser

COOKIE = "terrastill_visitor"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name over HTTPS: browsers take a cookie of such a name from this host alone."""
_SECONDS = 7 * 24 * 3600
_ID = re.compile(r"[A-Za-z0-9_-]{43}")


def new_id() -> str:
    """256 random bits as 43 letters."""
    return secrets.token_urlsafe(32)


def visitor_of(cookies: Mapping[str, str]) -> str | None:
    """The id in a browser's cookies; None where there is none, or one that we never gave."""
    found = cookies.get(SECURE_COOKIE) or cookies.get(COOKIE) or ""
    return found if _ID.fullmatch(found) else None


def folder_name(cookies: Mapping[str, str], email: str | None) -> str | None:
    """The name of the folder of whoever is at the browser: 64 hexadecimal digits.

    Args:
        cookies: What the browser sent.
        email: The address of a person who signed in; their folder is the same in every browser.

    Returns:
        None for a browser without a cookie of ours, which cannot be known again.
    """
    visitor = visitor_of(cookies)
    if email is None and visitor is None:
        return None
    key = f"visitor {visitor}" if email is None else f"email {email.lower()}"
    return hashlib.sha256(key.encode()).hexdigest()


class VisitorCookie:
    """ASGI middleware: gives every browser that asks for a page its id, and a week more with each page."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not _wants_page(scope):
            await self.app(scope, receive, send)
            return

        async def send_known(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", _cookie(scope))
            await send(message)

        await self.app(scope, receive, send_known)


def _wants_page(scope: Any) -> bool:
    """Whether a browser opens a page, instead of a script, a picture or a health check."""
    return scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")


def _cookie(scope: Any) -> str:
    headers = Headers(scope=scope)
    proxy = headers.get("x-forwarded-proto", "").split(",")[0].strip()
    secure = (proxy or scope["scheme"]) == "https"
    name = SECURE_COOKIE if secure else COOKIE
    value = visitor_of(cookie_parser(headers.get("cookie", ""))) or new_id()
    # Lax: a link from another site still brings the visitor to their own pictures; its scripts and frames do not.
    return f"{name}={value}; Path=/; Max-Age={_SECONDS}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
