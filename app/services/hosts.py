"""Under which names this server answers: other names may be a foreign page that leads its name here (DNS rebinding).

The names of this machine are always good, and so is the address that a connection really came in on: no name was looked
up to get there. Others are listed by the operator: `hosts` in access.toml, or TERRASTILL_HOSTS with commas between.
"""

import ipaddress
import logging
import os
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from app.services.access import read_access
from core.errors import ConfigError

VARIABLE = "TERRASTILL_HOSTS"
_LOCAL = ("localhost", "*.localhost")
_LOG = logging.getLogger("terrastill.app")


def listed() -> tuple[str, ...]:
    """The names that the operator listed; none while access.toml cannot be read."""
    named = tuple(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())
    try:
        return (*named, *(read_access().hosts or ()))
    except ConfigError as error:
        # The pages say the same to the visitor.
        _LOG.warning("Only this machine's own names are answered: %s", error)
        return ()


def answers_to(host: str | None, *, came_in_on: str | None) -> bool:
    """Whether a request with this Host header is answered. `came_in_on` is the connection's own address, if known."""
    name = _name(host)
    return name is not None and (_is_own(name, came_in_on) or _matches(name, listed()))


def comes_from_here(origin: str | None, host: str | None) -> bool:
    """Whether what changes something was sent by one of this server's own pages. No Origin: not by a browser's page.

    A proxy may hand on another Host than the visitor's browser asked for; then the operator's list decides.
    """
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    name = _name(parts.netloc)
    return parts.netloc.lower() == (host or "").lower() or (name is not None and _matches(name, listed(), all_of=False))


def is_loopback(address: str) -> bool:
    """Whether a server that is bound to `address` can be reached from this machine alone."""
    if _matches(address.lower(), _LOCAL):
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.startswith("unix://")


def warn_if_open(address: str) -> None:
    """Tell the operator, in the server's log, when anybody who reaches this machine may use the app."""
    try:
        asked = read_access().asks
    except ConfigError as error:
        _LOG.warning("%s", error)
        return
    if not (asked or is_loopback(address)):
        _LOG.warning(
            "Anybody who reaches this machine can use the app: it is bound to %s and nobody has to sign in. "
            "Set sign_in in access.toml, or leave out HOST to serve this machine alone.",
            address,
        )


def _name(host: str | None) -> str | None:
    """The name in `name:port`, small and without brackets or a last dot; None for what is no such thing."""
    if not host or any(letter in host for letter in "/\\@?#, \t"):
        return None
    try:
        parts = urlsplit(f"//{host}")
        # Asking for the port judges it.
        _ = parts.port
    except ValueError:
        return None
    return (parts.hostname or "").rstrip(".") or None


def _is_own(name: str, came_in_on: str | None) -> bool:
    if _matches(name, _LOCAL):
        return True
    try:
        address = ipaddress.ip_address(name)
        return address.is_loopback or address == ipaddress.ip_address(came_in_on or "")
    except ValueError:
        return False


def _matches(name: str, patterns: tuple[str, ...], *, all_of: bool = True) -> bool:
    """Whether a name is one of the patterns, `*` for any part; `all_of` False: a lone `*` says nothing."""
    wanted = (pattern.lower().rstrip(".").strip("[]") for pattern in patterns)
    return any(fnmatchcase(name, pattern) for pattern in wanted if all_of or pattern != "*")
