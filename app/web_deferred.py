"""The address at which a browser fetches what `services.deferred` keeps for it."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from app.services.deferred import DEFERRED, Offer
from app.services.visitors import visitor_of

_URL = "deferred"


def address(offer: Offer) -> str:
    """Relative to the app's address, below which every page is one step."""
    return f"{_URL}/{offer.token}"


def routes(prefix: str = "") -> list[BaseRoute]:
    """The address of every offer below `prefix`, which is empty or begins with a slash."""
    return [Route(f"{prefix}/{_URL}/{{token}}", _answer, methods=["GET"])]


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
