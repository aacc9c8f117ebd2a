"""Two checks before a request is read: whose it is, and whether its upload has room.

Both are ASGI middleware, because Streamlit takes the address of a person and the bytes of an upload before any page of
ours runs.
"""

import asyncio
import ipaddress
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from app.services.access import read_access
from app.services.uploads import UPLOADS
from core.errors import ConfigError

_LOCAL, _UNKNOWN = "127.0.0.1", "0.0.0.0"
_UPLOAD = "/_stcore/upload_file/"
_SILENT_SECONDS = 30.0
"""An upload that sends nothing for so long is given up."""
_ROOM_SECONDS, _ROOM_TRY_SECONDS = 20.0, 0.5
"""How long an upload waits for the page to take in those before it, unread, and how often it asks."""


def person_address(client: str | None, forwarded: list[str], trusted: tuple[str, ...]) -> str | None:
    """The address that a request counts for.

    Args:
        client: The peer as the server names it. The server (uvicorn) has by then believed the `X-Forwarded-For` of a
            peer on this machine, whether or not the operator wants that; this takes it back.
        forwarded: The values of `X-Forwarded-For`.
        trusted: Addresses and networks of the operator's proxies.

    Returns:
        `_UNKNOWN` where that cannot be told: all such requests are one person.
        The peer's address; behind trusted proxies the last address in `forwarded` that is not one of theirs.
    """
    named = [_bare(part) for value in forwarded for part in value.split(",")]
    networks = [ipaddress.ip_network(entry, strict=False) for entry in trusted]
    peer = client
    if client in named:
        if not _within(_LOCAL, networks):
            return _UNKNOWN
        peer = _LOCAL
    for address in reversed(named):
        if peer is None or not _within(peer, networks):
            break
        peer = address if _is_address(address) else None
    return peer or client


def _bare(text: str) -> str:
    """`1.2.3.4:80` and `[::1]:80` without the port."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _within(address: str, networks: list[Any]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in network for network in networks)


class PersonAddress:
    """Puts the person's address in the place of the peer's, so that `st.context.ip_address` is it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            client = scope.get("client")
            forwarded = Headers(scope=scope).getlist("x-forwarded-for")
            address = person_address(client and client[0], forwarded, _trusted())
            scope = {**scope, "client": (address, client[1]) if client and address else client}
        await self.app(scope, receive, send)


def _trusted() -> tuple[str, ...]:
    try:
        return read_access().trusted_proxies or ()
    except ConfigError:
        # The pages tell it; until the file can be read, nobody is believed.
        return ()


class UploadGuard:
    """Lets an upload in where its session may upload and has room; bytes are counted before they are read."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or _UPLOAD not in scope["path"] or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        session, _, file = scope["path"].partition(_UPLOAD)[2].partition("/")
        size = _declared(Headers(scope=scope).get("content-length"))
        if not UPLOADS.knows(session):
            await _refuse(403, "Open a page first, and sign in where the server asks for it.")(scope, receive, send)
        elif scope["method"] == "DELETE":
            await self.app(scope, receive, send)
        elif size is None:
            await _refuse(411, "An upload must say how large it is.")(scope, receive, send)
        elif (why_not := await _room(session, file, size)) is not None:
            await _refuse(413, why_not)(scope, receive, send)
        else:
            await self._take(scope, receive, send, session=session, file=file, size=size)

    async def _take(self, scope: Any, receive: Any, send: Any, *, session: str, file: str, size: int) -> None:
        received, status = 0, 500

        async def receive_counted() -> Any:
            nonlocal received
            try:
                message = await asyncio.wait_for(receive(), _SILENT_SECONDS)
            except TimeoutError as error:
                raise HTTPException(408, "The upload stopped: try again.") from error
            received += len(message.get("body", b""))
            if received > size:
                raise HTTPException(413, "The upload is larger than it said.")
            return message

        async def send_noted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status < 300:
                    # Before the page is told.
                    UPLOADS.keep(session, file)
            await send(message)

        try:
            await self.app(scope, receive_counted, send_noted)
        finally:
            UPLOADS.drop(session, file)


async def _room(session: str, file: str, size: int) -> str | None:
    """Wait a while for room. Nothing of the body is read meanwhile."""
    why_not: str | None = None
    for _ in range(int(_ROOM_SECONDS / _ROOM_TRY_SECONDS)):
        try:
            why_not = UPLOADS.reserve(session, file, size)
        except ConfigError as error:
            return str(error)
        if why_not is None:
            return None
        await asyncio.sleep(_ROOM_TRY_SECONDS)
    return why_not


def _declared(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None


def _refuse(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(f"{sentence}\n", status_code=status, headers={"Connection": "close"})


MIDDLEWARE = [Middleware(PersonAddress), Middleware(UploadGuard)]
