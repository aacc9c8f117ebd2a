"""Own images that come back: to the same browser alone, with settings and results, for a day, or until deleted."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.services import mapping, visitors, workers, workspaces
from app.services.mapping import Choice, SegmentationJob
from app.services.stores import open_store
from app.services.workspaces import KEPT_SECONDS, Workspace
from core import paths
from core.errors import ImageError
from core.runs.store.records import MACHINE, RunKind
from tests.ui.conftest import words
from tests.ui.segmentations import claim, complete, finish, predictions, real_worker, report
from tests.ui.test_map import png

View = Callable[..., AppTest]
NOW = 1_700_000_000.0
ID = "a" * 43


@pytest.fixture(autouse=True)
def _servers(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test is a server of its own, without a worker unless it is slow."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(workers, "ensure_worker", lambda: False)
    monkeypatch.setattr(workspaces, "_KEPT", {})
    yield
    for found in list(workspaces._KEPT.values()):
        found.delete()


def open_kept(visitor: str = ID, now: float = NOW) -> Workspace:
    return workspaces.open_workspace(visitors.folder_name({visitors.COOKIE: visitor}, None), now=now)


def restart() -> None:
    """The server ends and starts again: what is in memory is gone."""
    workspaces._KEPT.clear()
    gc.collect()
    workspaces.sweep_sessions()


def test_images_and_settings_are_found_by_the_same_visitor_and_by_nobody_else() -> None:
    open_kept().add("roof.png", png())
    open_kept().keep(map_bands="3,2,1")
    for _ in range(2):
        again = open_kept(now=NOW + 60)
        assert [own.name for own in again.pictures] == ["roof.png"]
        assert again.pictures[0].path.read_bytes() == png()
        assert again.settings == {"map_bands": "3,2,1"}
        other = open_kept("b" * 43)
        assert (other.pictures, other.settings) == ([], {})
        restart()


def test_two_tabs_share_what_one_of_them_does() -> None:
    one, two = open_kept(), open_kept()
    one.add("roof.png", png())
    assert [own.name for own in two.pictures] == ["roof.png"]
    two.delete()
    assert one.pictures == []
    assert not one.folder.exists()
    one.add("again.png", png())
    assert [own.name for own in two.pictures] == ["again.png"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_day_after_it_was_last_used_all_is_gone(restarted: bool) -> None:
    kept = open_kept()
    kept.add("roof.png", png())
    open_kept(now=NOW + 5000).keep(map_flips=True)
    if restarted:
        restart()
    assert workspaces.sweep(NOW + 5000 + KEPT_SECONDS) == 0
    assert kept.folder.exists()
    assert workspaces.sweep(NOW + 5001 + KEPT_SECONDS) == 1
    assert not kept.folder.exists()
    assert open_kept().pictures == []


@pytest.mark.parametrize("restarted", [False, True])
def test_who_comes_back_after_a_day_finds_nothing_even_before_the_sweep(restarted: bool) -> None:
    kept = open_kept()
    kept.add("roof.png", png())
    open_kept(now=NOW)
    if restarted:
        restart()
    assert open_kept(now=NOW + KEPT_SECONDS + 1).pictures == []
    assert not kept.folder.exists()


def test_a_visit_without_images_leaves_nothing_on_the_disk() -> None:
    open_kept().keep(map_flips=True)
    assert not (paths.home() / "uploads").exists() or list((paths.home() / "uploads").iterdir()) == []


def test_delete_removes_images_results_and_what_works_on_them() -> None:
    kept = open_kept()
    kept.add("roof.png", png(100))
    job = SegmentationJob(kept, list(kept.pictures), Choice("student"))
    held = claim()
    report(job, {"name": "roof.png", "error": None})
    kept.delete()
    assert predictions() == []
    assert open_store().heartbeat(held.id, "w", 0.5, attempt=held.attempt) is None, "its process must stop"
    assert list(open_store().home.glob("*-*-*")) == [], "neither the run's folder nor its report"
    assert not kept.folder.exists()
    assert list(kept.folder.parent.iterdir()) == []
    assert mapping.current(kept) is None
    restart()
    assert mapping.current(open_kept()) is None


@pytest.mark.slow
def test_a_process_that_works_on_deleted_images_is_ended_and_leaves_nothing() -> None:
    kept = open_kept()
    kept.add("large.png", png(4000))
    job = SegmentationJob(kept, list(kept.pictures), Choice("teacher"))
    with real_worker() as worker:
        until = time.monotonic() + 100
        while (job.read_state().progress.total or 0) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert job.read_state().state == "running"
        (child,) = [one for one in psutil.Process(worker).children() if "--execute" in one.cmdline()]
        kept.delete()
        child.wait(30)
        assert not kept.folder.exists()
        assert list(kept.folder.parent.iterdir()) == []


@pytest.mark.parametrize("active", [True, False])
def test_runs_go_with_their_images_and_not_while_they_work(active: bool) -> None:
    kept = open_kept()
    kept.add("roof.png", png())
    job = SegmentationJob(kept, list(kept.pictures), Choice("student"))
    if not active:
        complete(job)
    restart()
    assert workspaces.sweep(NOW + KEPT_SECONDS + 5000) == (0 if active else 1)
    assert len(predictions()) == (1 if active else 0)


def test_a_waiting_segmentation_that_was_deleted_never_starts() -> None:
    first, second = open_kept(), open_kept("b" * 43)
    for kept in (first, second):
        kept.add("roof.png", png())
    running, waiting = (SegmentationJob(kept, list(kept.pictures), Choice("student")) for kept in (first, second))
    assert claim().id == running.run_id
    assert (running.read_state().state, waiting.read_state().state) == ("running", "waiting")
    second.delete()
    first.delete()
    assert open_store().claim("w", [MACHINE], RunKind.PREDICTION) is None
    assert not second.folder.exists()


def test_a_segmentation_goes_on_while_the_server_is_restarted() -> None:
    """The worker is no part of the server."""
    kept = open_kept()
    kept.add("roof.png", png())
    job = SegmentationJob(kept, list(kept.pictures), Choice("student", bands=(3, 2, 1)))
    held = claim()
    done = {"name": "roof.png", "error": None}
    report(job, done)
    restart()
    found = mapping.current(open_kept())
    assert (found.ended, found.read_state().results) == (False, (done,))
    open_store().fail(held.id, "w", "The disk is full.", attempt=1)
    told = found.read_state()
    assert (told.state, told.error, told.results) == ("failed", "The disk is full.", (done,))
    assert (found.choice, found.folder) == (job.choice, job.folder)
    assert [own.name for own in found.pictures] == ["roof.png"]


def test_a_run_that_somebody_removed_is_told_in_a_sentence() -> None:
    kept = open_kept()
    kept.add("roof.png", png())
    job = SegmentationJob(kept, list(kept.pictures), Choice("student"))
    open_store().delete(job.run_id)
    restart()
    told = mapping.current(open_kept()).read_state()
    assert (told.state, told.error) == ("failed", mapping._GONE)


def test_a_segmentation_that_the_visitor_cancelled_is_still_cancelled_after_a_restart() -> None:
    kept = open_kept()
    kept.add("roof.png", png())
    SegmentationJob(kept, list(kept.pictures), Choice("student")).cancel()
    restart()
    assert mapping.current(open_kept()).read_state().state == "cancelled"


@pytest.mark.slow
def test_results_are_found_after_a_restart() -> None:
    kept = open_kept()
    kept.add("roof.png", png(64))
    job = SegmentationJob(kept, list(kept.pictures), Choice("student"))
    with real_worker():
        before = finish(job)
    assert before.state == "done"
    restart()
    found = mapping.current(open_kept())
    assert found.read_state() == before
    assert found.archive().stat().st_size > 0


def test_files_of_the_server_are_found_again_only_while_their_folder_is_open(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    settings = paths.home() / "access.toml"
    settings.write_text(f'images = "{tmp_path}"')
    open_kept().add_path("a.png")
    restart()
    assert [own.name for own in open_kept().pictures] == ["a.png"]
    settings.unlink()
    restart()
    assert open_kept().pictures == []


def test_a_damaged_record_of_a_folder_is_an_empty_one() -> None:
    kept = open_kept()
    kept.add("roof.png", png())
    for text in ("", "[]", "{}", '{"pictures": 3, "settings": {}, "record": null}'):
        (kept.folder / "workspace.json").write_text(text)
        restart()
        assert open_kept().pictures == []


def test_a_full_disk_refuses_one_image_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspaces, "FREE_MEGABYTES", 10**12)
    with pytest.raises(ImageError, match=r"roof.png finds no room: .* are free"):
        open_kept().add("roof.png", png())


def test_a_signed_in_person_is_known_by_address_and_a_browser_by_its_cookie_alone() -> None:
    cookies = {visitors.COOKIE: ID}
    names = {
        visitors.folder_name(cookies, None),
        visitors.folder_name({visitors.COOKIE: "b" * 43}, None),
        visitors.folder_name(cookies, "a@example.org"),
        visitors.folder_name({}, "b@example.org"),
    }
    assert len(names) == 4
    assert visitors.folder_name({}, "A@example.org") == visitors.folder_name(cookies, "a@example.org")
    assert visitors.folder_name({}, None) is None
    for made_up in ("", "../../etc", "a" * 42, "a" * 44, "a" * 42 + "/"):
        assert visitors.folder_name({visitors.COOKIE: made_up}, None) is None
    assert not any(ID in str(name) for name in names)


def set_cookie(**headers: str) -> str | None:
    """What a browser is told when it asks for a page with these headers."""
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "scheme": "http", "headers": raw}
    asyncio.run(visitors.VisitorCookie(app)(scope, None, send))
    return dict(sent[0]["headers"]).get(b"set-cookie", b"").decode() or None


def test_the_cookie_is_hidden_from_scripts_and_from_other_sites() -> None:
    made = set_cookie(accept="text/html")
    assert made is not None
    name, _, rest = made.partition("=")
    value, *attributes = rest.split("; ")
    assert name == visitors.COOKIE
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert visitors.visitor_of({name: value}) == value
    assert set_cookie(accept="text/html") != made
    kept = set_cookie(accept="text/html", cookie=f"x=1; {visitors.COOKIE}={value}")
    assert kept == made
    secure = set_cookie(accept="text/html", x_forwarded_proto="https", cookie=f"{visitors.COOKIE}={value}")
    assert secure is not None
    assert secure.startswith(f"__Host-{visitors.COOKIE}={value};")
    assert "Secure" in secure
    assert set_cookie(accept="application/json") is None


def test_the_page_gives_back_what_was_brought_and_deletes_it(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(st.context), "cookies", {visitors.COOKIE: ID})
    page = view("map")
    page.file_uploader[0].set_value([("roof.png", png(64), "image/png")]).run()
    page.text_input(key="map_bands").set_value("2,1,3").run()
    for _ in range(2):
        page = view("map")
        assert not page.exception
        assert "1 image, " in words(page)
        assert "KB: roof.png" in words(page)
        assert page.text_input(key="map_bands").value == "2,1,3"
        restart()
    page = view("map")
    page.button(key="delete_all").click().run()
    assert not page.exception
    assert "roof.png" not in words(page)
    assert "roof.png" not in words(view("map"))


def test_why_an_image_failed_is_told_whole_and_beside_what_worked(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(st.context), "cookies", {visitors.COOKIE: ID})
    kept = open_kept(now=time.time())
    for name in ("roof.png", "half.png"):
        kept.add(name, png())
    job = SegmentationJob(kept, list(kept.pictures), Choice("student"))
    why = "half.png cannot be read: " + "the PNG is damaged or cut short, " * 9 + "so save it anew."
    none = {"notes": [], "seconds": 0.0, "files": [], "areas": [], "differences": [], "metres_per_pixel": None}
    good = {**none, "name": "roof.png", "error": None, "width": 40, "height": 40}
    bad = {**none, "name": "half.png", "error": why, "width": 0, "height": 0}
    complete(job, good, bad)
    restart()
    page = view("map")
    assert not page.exception
    assert [error.value.replace("\\", "") for error in page.error] == [why]
    assert "1 of 2 images could not be segmented" in words(page)
    assert list(page.dataframe[0].value["Image"]) == ["roof.png", "half.png"]
