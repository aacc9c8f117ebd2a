"""What the operator allows: who may launch and delete, how much at a time, which folder of the server is opened.

All of it stands in one file, `access.toml` in TERRASTILL_HOME; without it everybody may do everything, within the
limits below, and no file of the server is opened. Signing in itself is Streamlit's (`st.login`, `[auth]` in
`.streamlit/secrets.toml`).

    sign_in = true                       # nothing is shown before
    may_view = ["*@example.org"]         # who is shown anything; they have to sign in
    unverified_emails = false            # whether an address counts that the provider does not call verified
    sign_in_hours = 12                   # after which people sign in anew
    may_launch = ["*@example.org"]       # e-mail addresses, * for any part
    may_delete = ["admin@example.org"]
    may_cancel = []                      # besides who launched a run; without the line: whoever may launch
    trusted_proxies = ["127.0.0.1"]      # whose X-Forwarded-For is believed
    launches_an_hour = 20                # by one person, controls and every seed counted
    waiting_runs = 10                    # queued and running on this server
    search_trials = 200                  # of one search
    predictions_an_hour = 60             # of own images, by one person
    gallery_images_an_hour = 300         # by one person
    comparisons_an_hour = 2000           # passes of a model over a picture on any page, by one person
    estimates_an_hour = 120              # timings on Distill, by one person
    exports_an_hour = 60                 # by one person
    megapixels_an_hour = 20000           # of own images, by one person
    upload_megabytes_a_session = 400     # in memory; 200 for one file is the server's own limit
    upload_megabytes_a_person = 600
    upload_megabytes = 1200              # of all visitors together
    own_images_gigabytes = 20            # on the disk, pictures and results of all visitors together
    imports_an_hour = 60                 # of datasets, read or saved, by one person
    datasets_gigabytes = 40              # on the disk, datasets of all visitors together, while they come in too
    open_megapixels = 480                # of uploads that are decoded on Compare and Temperature, of all together
    images = "/srv/imagery"              # what the page for own images may open
    hosts = ["maps.example.org"]         # names of this server, * for any part
"""

import ipaddress
import threading
import time
import tomllib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from core import paths
from core.data.opened import inside
from core.errors import ConfigError, DatasetNotFoundError, RunStateError, TerrastillError

FILE = "access.toml"
_HOUR = 3600.0
_LONGEST_KEY = 200
"""The width of `launched_by` in the store."""


@dataclass(frozen=True)
class Access:
    """The file's settings. None for a list of addresses: everybody."""

    sign_in: bool = False
    may_view: tuple[str, ...] | None = None
    unverified_emails: bool = False
    sign_in_hours: int = 12
    may_launch: tuple[str, ...] | None = None
    may_delete: tuple[str, ...] | None = None
    may_cancel: tuple[str, ...] | None = None
    trusted_proxies: tuple[str, ...] | None = None
    launches_an_hour: int = 60
    waiting_runs: int = 20
    search_trials: int = 1000
    predictions_an_hour: int = 120
    gallery_images_an_hour: int = 600
    comparisons_an_hour: int = 2000
    estimates_an_hour: int = 120
    exports_an_hour: int = 60
    megapixels_an_hour: int = 20_000
    upload_megabytes_a_session: int = 400
    upload_megabytes_a_person: int = 600
    upload_megabytes: int = 1200
    own_images_gigabytes: int = 20
    imports_an_hour: int = 60
    datasets_gigabytes: int = 40
    open_megapixels: int = 480
    images: Path | None = None
    hosts: tuple[str, ...] | None = None

    @property
    def asks(self) -> bool:
        """Whether people have to sign in: a list of who may view says so too."""
        return self.sign_in or self.may_view is not None


@dataclass(frozen=True)
class Person:
    """Who is at the browser, for rights and limits: the e-mail address of who signed in, else the network address.

    `address` is that of the peer, or what a proxy that the operator trusts says of it (`app/web_limits.py`). An IPv6
    network of 64 bits is one person: whoever has one address of it has them all. `folder` is what
    `visitors.folder_name` gives, by which datasets are theirs; None: who cannot be known again.
    """

    address: str
    email: str | None = None
    folder: str | None = None

    @property
    def key(self) -> str:
        if self.email:
            return self.email.lower()[:_LONGEST_KEY]
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address[:_LONGEST_KEY]
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped:
                return str(address.ipv4_mapped)
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)


def read_access() -> Access:
    """The operator's settings, read anew each time. Raises `ConfigError` for a file that cannot be meant."""
    path = paths.home() / FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Access()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{FILE} cannot be read ({error}): nothing is allowed until it can.") from error
    problems = [f"{FILE}: {name} {wrong}." for name, value in data.items() if (wrong := _wrong(name, value))]
    if problems:
        raise ConfigError(problems)
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    if "images" in values:
        values["images"] = Path(values["images"])
    return Access(**values)


def _wrong(name: str, value: Any) -> str | None:
    kinds = {field.name: field.default for field in fields(Access)}
    if name not in kinds:
        return f"is no setting; there are {', '.join(kinds)}"
    if name == "hosts":
        good = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        return None if good else "must be a list of names of this server"
    if name == "trusted_proxies":
        return None if isinstance(value, list) and all(map(_is_network, value)) else "must be a list of addresses"
    if name in ("may_view", "may_launch", "may_delete", "may_cancel"):
        good = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        return None if good else "must be a list of e-mail addresses"
    if name == "images":
        return None if isinstance(value, str) and Path(value).is_dir() else "must be a folder"
    if name in ("sign_in", "unverified_emails"):
        return None if isinstance(value, bool) else "must be true or false"
    return None if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else "must be a number"


def _is_network(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return False


def email_of(claims: Mapping[str, Any], access: Access) -> str | None:
    """The address that a person has rights by, from what their provider says of them.

    Anybody can enter any address at many providers: one counts when it is called verified, or where the operator says
    that this provider checks them all (`unverified_emails`).
    """
    email = claims.get("email")
    verified = claims.get("email_verified") in (True, "true")
    return str(email) if email and (verified or access.unverified_emails) else None


def signed_in_too_long(claims: Mapping[str, Any], access: Access, *, now: float) -> bool:
    """Whether people have to sign in anew: `iat` is when their provider said who they are, in seconds like `now`.

    Without that time nobody knows how long ago it was, so it was too long. 0 hours: as long as the cookie lives.
    """
    if not access.sign_in_hours:
        return False
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        return True
    # A provider's clock may be a little ahead of ours.
    return not -_HOUR < now - issued < access.sign_in_hours * _HOUR


def may(person: Person, what: str, access: Access | None = None, *, launched_by: str = "") -> bool:
    """Whether a person may `view`, `launch`, `delete` or `cancel`.

    Cancel what `launched_by` (a person's key) launched: that person may, and besides whom the operator lists; without a
    list, whoever may launch.
    """
    access = access or read_access()
    if what == "cancel":
        if launched_by and launched_by == person.key:
            return True
        what = "launch" if access.may_cancel is None else what
    allowed: tuple[str, ...] | None = getattr(access, f"may_{what}")
    if allowed is None:
        return True
    email = (person.email or "").lower()
    return bool(email) and any(fnmatchcase(email, pattern.lower()) for pattern in allowed)


def require(person: Person, what: str, access: Access | None = None, *, launched_by: str = "") -> None:
    """Raises `RunStateError` when a person may not."""
    if not may(person, what, access, launched_by=launched_by):
        who = person.email or "somebody who has not signed in"
        raise RunStateError(f"This server does not let {who} {what} runs: ask its operator.")


def opened_path(text: str, access: Access | None = None) -> tuple[Path, Path]:
    """A path that came from a visitor, in whatever way: the real path, and the opened folder that it lies below.

    Raises `DatasetNotFoundError`, with the same sentence for what is not there and for what lies elsewhere.
    """
    opened = (access or read_access()).images
    if opened is None:
        raise DatasetNotFoundError(
            "This server does not open its own files: its operator may name a folder in access.toml."
        )
    root = Path(opened).expanduser().absolute()
    return inside(text, root), root


def below_opened(path: str) -> str:
    """How a visitor names a path that a run holds. Raises `DatasetNotFoundError` when it is not below the folder."""
    found, root = opened_path(path)
    return str(found.relative_to(root.resolve()))


_MOST_KEPT = 10_000


@dataclass
class Rates:
    """How often each person did something in the last hour; shared by all sessions of this server."""

    now: Callable[[], float] = time.monotonic
    _times: dict[tuple[str, str], deque[tuple[float, int]]] = field(default_factory=lambda: defaultdict(deque))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, person: Person, what: str, most: int, count: int = 1) -> None:
        """Count so many of `what`. Raises `RunStateError`, and counts none, when that is too many in an hour."""
        with self._lock:
            self._forget(person.key, what)
            times = self._times[person.key, what]
            if sum(taken for _, taken in times) + count > most:
                raise RunStateError(f"At most {most:,} {what} an hour are taken from one person: try again later.")
            times.append((self.now(), count))

    def give_back(self, person: Person, what: str, count: int) -> None:
        """What was counted last did not happen."""
        with self._lock:
            for at, taken in reversed(times := self._times[person.key, what]):
                if taken == count:
                    times.remove((at, taken))
                    return

    def _forget(self, key: str, what: str) -> None:
        """What is older than an hour; of everybody, once many addresses have been here."""
        keys = list(self._times) if len(self._times) > _MOST_KEPT else [(key, what)]
        for kept in keys:
            times = self._times[kept]
            while times and self.now() - times[0][0] > _HOUR:
                times.popleft()
            if not times:
                del self._times[kept]


RATES = Rates()


@contextmanager
def launching(person: Person, count: int) -> Iterator[Access]:
    """Around what queues `count` runs: this person may, and not too many an hour. A failure counts none.

    How many may wait is for the store to say, in the transaction that queues them. Raises `RunStateError`.
    """
    access = read_access()
    require(person, "launch", access)
    RATES.take(person, "launches", access.launches_an_hour, count)
    try:
        yield access
    except TerrastillError:
        RATES.give_back(person, "launches", count)
        raise
