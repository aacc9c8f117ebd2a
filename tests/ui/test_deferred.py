"""What a browser fetches after its first paint: for that browser alone, while its session holds it, for an hour."""

import gc
import threading
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import web_routes
from app.services import deferred
from app.services.deferred import Deferred, Offer
from app.services.visitors import COOKIE, SECURE_COOKIE, new_id

HOUR = deferred.LIFETIME_SECONDS


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(clock: Clock) -> Deferred:
    return Deferred(most_bytes=100, clock=clock)


@pytest.fixture
def served(kept: Deferred, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(web_routes, "DEFERRED", kept)
    with TestClient(Starlette(routes=web_routes.routes("/maps"))) as client:
        yield client


def test_only_the_visitor_gets_what_was_offered(kept: Deferred) -> None:
    offer = kept.offer(b"planes", identity="a", visitor="one")
    assert kept.get(offer.token, visitor="one") == b"planes"
    assert [kept.get(offer.token, visitor=other) for other in ("other", "", None)] == [None] * 3
    without = kept.offer(b"planes", identity="a", visitor=None)
    assert kept.get(without.token, visitor=None) == b"planes"
    assert kept.get(without.token, visitor="one") is None
    assert kept.get("", visitor="one") is None


def test_no_two_addresses_are_alike_or_short(kept: Deferred) -> None:
    offers = [kept.offer(b"x", identity="a", visitor="one") for _ in range(50)]
    assert len({offer.token for offer in offers}) == 50
    assert all(len(offer.token) == 43 for offer in offers)


def test_the_same_contents_stay_where_they_are_and_live_on(kept: Deferred, clock: Clock) -> None:
    offer = kept.offer(b"planes", identity="a", visitor="one")
    clock.now += 0.75 * HOUR
    assert kept.offer(b"planes", identity="a", visitor="one", held=offer) is offer
    clock.now += 0.75 * HOUR
    assert kept.get(offer.token, visitor="one") == b"planes"
    assert kept.offer(b"others", identity="b", visitor="one", held=offer) is not offer
    assert kept.offer(b"planes", identity="a", visitor="two", held=offer) is not offer


def test_an_hour_after_it_was_offered_it_is_gone_and_offered_anew(kept: Deferred, clock: Clock) -> None:
    offer = kept.offer(b"planes", identity="a", visitor="one")
    clock.now += HOUR
    assert kept.get(offer.token, visitor="one") is None
    assert (len(kept), offer.data) == (0, b"")
    again = kept.offer(b"planes", identity="a", visitor="one", held=offer)
    assert again.token != offer.token
    assert kept.get(again.token, visitor="one") == b"planes"


def test_it_goes_with_the_session_that_holds_it(kept: Deferred) -> None:
    state = {"held": kept.offer(b"planes", identity="a", visitor="one")}
    token = state["held"].token
    state["held"] = kept.offer(b"others", identity="b", visitor="one", held=state["held"])
    gc.collect()
    assert kept.get(token, visitor="one") is None
    assert len(kept) == 1
    state.clear()
    gc.collect()
    assert len(kept) == 0


def test_the_oldest_go_where_all_would_be_too_much(kept: Deferred, clock: Clock) -> None:
    offers = [kept.offer(bytes(40), identity=str(turn), visitor="one") for turn in range(2)]
    clock.now += 1
    kept.offer(bytes(40), identity="0", visitor="one", held=offers[0])
    offers.append(kept.offer(bytes(40), identity="2", visitor="one"))
    assert [kept.get(offer.token, visitor="one") is not None for offer in offers] == [True, False, True]
    large = kept.offer(bytes(1000), identity="large", visitor="one")
    assert kept.get(large.token, visitor="one") == bytes(1000)
    assert len(kept) == 1


def test_many_threads_may_offer_and_fetch() -> None:
    kept = Deferred(most_bytes=500)
    wrong: list[int] = []

    def visit(number: int) -> None:
        for turn in range(200):
            data = bytes([number]) * 10
            offer: Offer = kept.offer(data, identity=f"{number}.{turn}", visitor=str(number))
            if kept.get(offer.token, visitor=str(number)) != data:
                wrong.append(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(kept) <= 8


@pytest.mark.parametrize("cookie", [COOKIE, SECURE_COOKIE])
def test_the_address_answers_the_browser_that_it_was_made_for(kept: Deferred, served: TestClient, cookie: str) -> None:
    visitor = new_id()
    offer = kept.offer(b"planes", identity="a", visitor=visitor)
    address = f"/maps/{web_routes.address(offer)}"
    mine = served.get(address, headers={"Cookie": f"{cookie}={visitor}"})
    assert (mine.status_code, mine.content) == (200, b"planes")
    assert mine.headers["content-type"] == "application/octet-stream"
    assert mine.headers["cache-control"] == "private, no-store"
    for other in ({}, {"Cookie": f"{cookie}={new_id()}"}, {"Cookie": f"{cookie}="}):
        answer = served.get(address, headers=other)
        assert answer.status_code == 404
        assert b"planes" not in answer.content
    assert served.post(address).status_code == 405


def test_the_whole_as_a_range_is_not_packed_again(kept: Deferred, served: TestClient) -> None:
    offer = kept.offer(b"planes", identity="a", visitor=None)
    answer = served.get(f"/maps/{web_routes.address(offer)}", headers={"Range": "bytes=0-"})
    assert (answer.status_code, answer.content) == (206, b"planes")
    assert answer.headers["content-range"] == "bytes 0-5/6"
    other = served.get(f"/maps/{web_routes.address(offer)}", headers={"Range": "bytes=2-3"})
    assert (other.status_code, other.content) == (200, b"planes")


def test_what_is_gone_says_what_to_do(served: TestClient) -> None:
    answer = served.get("/maps/deferred/nothing")
    assert answer.status_code == 404
    assert "reload the page" in answer.text
