"""Bytes that a browser fetches by itself after its first paint: for one visitor, an hour, while a session holds them.

An address is 256 random bits. It answers only the browser whose visitor cookie was there when it was made
(`services.visitors`). The bytes hang on what `Deferred.offer` gives, which a session keeps in its state: they go with
the session, or when it offers something else in their place. An hour after they were last offered they go in any case,
and where all that is offered would be too much, the oldest go first.
"""

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

LIFETIME_SECONDS = 3600.0
MOST_BYTES = 512_000_000


class Offer:
    """One address: `token` names it. Whoever keeps this object keeps the bytes there."""

    def __init__(self, data: bytes, *, identity: str, visitor: str | None) -> None:
        self.token = secrets.token_urlsafe(32)
        self.data = data
        self.identity = identity
        self.visitor = visitor
        self.until = 0.0


class Deferred:
    """All that is offered. Every method may be called by any thread."""

    def __init__(
        self,
        *,
        most_bytes: int = MOST_BYTES,
        lifetime_seconds: float = LIFETIME_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Empty. `clock` gives seconds; the newest offer is kept even where it alone exceeds `most_bytes`."""
        self._most, self._lifetime, self._clock = most_bytes, lifetime_seconds, clock
        self._offers: WeakValueDictionary[str, Offer] = WeakValueDictionary()
        # What ends a session's state may run while the same thread holds the lock.
        self._lock = threading.RLock()

    def offer(self, data: bytes, *, identity: str, visitor: str | None, held: Offer | None = None) -> Offer:
        """Make `data` available to the browser of `visitor` (None: a browser without a cookie of ours).

        Args:
            data: What the browser will get.
            identity: Tells contents apart.
            visitor: As `visitors.visitor_of` reads it from the cookies.
            held: What the same place offered before. It stays, and lives on, where it is of the same contents and
                visitor.

        Returns:
            `held`, or a new offer that takes its place.
        """
        with self._lock:
            self.expire()
            same = held is not None and (held.identity, held.visitor) == (identity, visitor)
            found = held if held is not None and same and held.token in self._offers else None
            if found is None:
                found = Offer(data, identity=identity, visitor=visitor)
            found.until = self._clock() + self._lifetime
            self._offers[found.token] = found
            self._make_room(found)
            return found

    def get(self, token: str, *, visitor: str | None) -> bytes | None:
        """What was offered to this visitor under `token`; None where nothing was, or it is gone."""
        with self._lock:
            self.expire()
            found = self._offers.get(token)
            if found is None or not hmac.compare_digest(found.visitor or "", visitor or ""):
                return None
            return found.data

    def expire(self) -> None:
        """Drop what was offered too long ago."""
        with self._lock:
            now = self._clock()
            for offer in list(self._offers.values()):
                if offer.until <= now:
                    self._drop(offer)

    def __len__(self) -> int:
        with self._lock:
            return len(self._offers)

    def _make_room(self, newest: Offer) -> None:
        """Drop the oldest until all together are not too much."""
        oldest_first = sorted(self._offers.values(), key=lambda offer: offer.until)
        total = sum(len(offer.data) for offer in oldest_first)
        for offer in oldest_first:
            if total <= self._most:
                break
            if offer is not newest:
                total -= len(offer.data)
                self._drop(offer)

    def _drop(self, offer: Offer) -> None:
        self._offers.pop(offer.token, None)
        offer.data = b""


DEFERRED = Deferred()
"""Of this server."""
