"""The page for own images: private folders, refusals in one sentence, jobs in a process, limits for each person."""

import gc
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.services import launch, map_views, mapping, names, palettes, runs, waiting_runs, workers, workspaces
from app.services.access import Access, Person
from app.services.mapping import Choice, SegmentationJob
from app.services.stores import open_store
from app.services.workspaces import Workspace
from core import paths
from core.errors import ImageError, RunError, RunNotFoundError
from core.infer import batch
from tests.ui.conftest import CLASSES, words
from tests.ui.segmentations import claim, finish, predictions, real_worker

View = Callable[..., AppTest]
ANYBODY = Person("session")


def png(side: int = 40, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    made = workspaces.open_workspace()
    yield made
    made.close()


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "<img src=x onerror=alert(1)>.png",
        "![x](http://evil/y.png)",
        ":red[x] `y` $z$",
        "",
        "a" * 999,
    ],
)
def test_a_name_is_never_markup_and_never_a_path(name: str, workspace: Workspace) -> None:
    assert not set(names.shown(name)) & set("<>[]`$:*|!&/\\#~{}\"'")
    assert 0 < len(names.shown(name)) <= 80
    assert 0 < len(names.stem(name)) <= 40
    workspace.add(name, png())
    assert workspace.pictures[0].path.parent.parent == workspace.folder / "in"


def test_uploads_of_two_people_never_meet(workspace: Workspace) -> None:
    other = workspaces.open_workspace()
    workspace.add("roof.png", png(seed=1))
    other.add("roof.png", png(seed=2))
    (mine,), (theirs,) = workspace.pictures, other.pictures
    assert mine.path.read_bytes() == png(seed=1)
    assert theirs.path.read_bytes() == png(seed=2)
    assert other.folder != workspace.folder
    assert workspace.folder.stat().st_mode & 0o077 == 0
    other.close()
    assert not other.folder.exists()
    assert mine.path.exists()


def test_nothing_outlives_the_session() -> None:
    forgotten = workspaces.open_workspace()
    forgotten.add("roof.png", png())
    folder = forgotten.folder
    assert folder.exists()
    del forgotten
    gc.collect()
    assert not folder.exists()


def test_what_a_killed_server_left_behind_is_swept() -> None:
    gone = paths.home() / "uploads" / "999999999-abc"
    alive = paths.home() / "uploads" / f"{os.getppid()}-abc"
    for folder in (gone, alive):
        folder.mkdir(parents=True)
    workspaces.sweep_sessions()
    assert not gone.exists()
    assert alive.exists()


def test_a_zip_gives_its_pictures_and_a_bad_one_nothing(workspace: Workspace) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/one.png", png())
        archive.writestr("two.png", png())
        archive.writestr("readme.txt", "no picture")
    workspace.add("both.zip", buffer.getvalue())
    assert [own.name for own in workspace.pictures] == ["both.zip: one.png", "both.zip: two.png"]
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../evil.png", png())
    with pytest.raises(ImageError, match=r"evil.zip holds a file that would lie outside"):
        workspace.add("evil.zip", buffer.getvalue())
    assert len(workspace.pictures) == 2


def test_limits_are_those_beside_the_widget(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspaces, "MOST_FILES", 2)
    monkeypatch.setattr(workspaces, "UPLOAD_MEGABYTES", 1)
    with pytest.raises(ImageError, match="larger than 1 MB"):
        workspace.add("big.png", b"x" * (1024**2 + 1))
    for name in ("a.png", "b.png"):
        workspace.add(name, png())
    with pytest.raises(ImageError, match="at most 2 pictures"):
        workspace.add("c.png", png())


def test_only_the_operators_folder_is_opened_wherever_links_lead(workspace: Workspace, tmp_path: Path) -> None:
    opened, outside = tmp_path / "opened", tmp_path / "outside"
    for folder in (opened, outside):
        folder.mkdir()
        (folder / "a.png").write_bytes(png())
    (opened / "link.png").symlink_to(outside / "a.png")
    (opened / "door").symlink_to(outside)
    allowed = Access(images=opened)
    for text in ("../outside/a.png", str(outside / "a.png"), "link.png", "door", "door/a.png", "none.png", "/etc"):
        with pytest.raises(ImageError):
            workspace.add_path(text, allowed)
    workspace.add_path("a.png", allowed)
    workspace.add_path(".", allowed)
    assert [own.path for own in workspace.pictures] == [opened / "a.png"] * 2
    with pytest.raises(ImageError, match="does not open its own files"):
        workspace.add_path("a.png", Access())


def wait_behind(job: SegmentationJob) -> None:
    """Another visitor's segmentation waits while this one runs, and can be cancelled."""
    other = workspaces.open_workspace()
    behind = SegmentationJob(other, job.pictures, Choice("student"))
    assert job.read_state().state == "running"
    assert (behind.read_state().state, behind.read_state().ahead) == ("waiting", 1)
    behind.cancel()
    assert behind.read_state().state == "cancelled"
    other.close()


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes what is queued, unless the test does."""
    monkeypatch.setattr(workers, "ensure_worker", lambda: False)


@pytest.mark.slow
def test_a_job_segments_what_it_can_and_says_why_not_the_rest(workspace: Workspace) -> None:
    """The real worker, with the shipped student: a good picture, a damaged one; a second segmentation waits behind."""
    workspace.add("roof.png", png(100))
    workspace.add("half.png", png(100)[:200])
    job = SegmentationJob(workspace, list(workspace.pictures), Choice("student", geojson=True))
    with real_worker():
        wait_behind(job)
        found = finish(job)
    assert (found.state, found.error) == ("done", None)
    good, bad = found.results
    assert good["error"] is None
    assert bad["error"].startswith("half.png cannot be read")
    assert [title for title, _, _ in map_views.downloads(good)] == [
        "Mask (PNG)", "Confidence (GeoTIFF)", "Mask (GeoTIFF)", "Style for QGIS (QML)", "Polygons (GeoJSON)",
        "Areas (CSV)",
    ]  # fmt: skip
    safe = palettes.painted(CLASSES, "safe")[:5]
    for palette, colours in (("safe", safe), ("colour", CLASSES[:5])):
        as_shown = partial(palettes.file_as_shown, classes=CLASSES, palette=palette)
        with zipfile.ZipFile(job.archive(as_shown)) as packed:
            assert {Path(name).suffix for name in packed.namelist()} == {
                ".png",
                ".qml",
                ".tif",
                ".xml",
                ".geojson",
                ".csv",
                ".txt",
            }
            assert packed.read("not-segmented.txt").decode() == bad["error"] + "\n"
            mask = next(name for name in packed.namelist() if name.endswith(".png"))
            with Image.open(io.BytesIO(packed.read(mask))) as picture:
                assert picture.getpalette()[:15] == [channel for _, colour in colours for channel in colour]
    view = map_views.overview(map_views.file_of(good, "_photo.webp"), map_views.mask_of(good))
    assert view.photo.shape == (100, 100, 3)
    assert view.mask.shape == (100, 100)
    near = map_views.detail(workspace.pictures[0].path, map_views.mask_of(good), map_views.Part(30, 20, 40, 50))
    np.testing.assert_array_equal(near.photo, np.asarray(Image.open(io.BytesIO(png(100))))[20:70, 30:70])
    np.testing.assert_array_equal(near.mask, view.mask[20:70, 30:70])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"x": 10, "y": 20, "width": 300, "height": 200}, (10, 20, 300, 200)),
        ({"x": -9, "y": 9_999, "width": 300.7, "height": 200}, (0, 4_800, 300, 200)),
        ({"x": 0, "y": 0, "width": 10**9, "height": 10**9}, (0, 0, 4096, 4096)),
        ({"x": 0, "y": 0, "width": 0, "height": 5}, None),
        ({"x": 0, "y": 0, "width": float("nan"), "height": 5}, None),
        ({"x": 0, "y": 0, "width": 1e300, "height": 5}, None),
        ({"x": "0", "y": 0, "width": 5, "height": 5}, None),
        ({"x": True, "y": 0, "width": 5, "height": 5}, None),
        ([1, 2, 3, 4], None),
        (None, None),
    ],
)
def test_a_browser_gets_no_more_than_a_part_of_the_picture(asked: object, expected: tuple[int, ...] | None) -> None:
    part = map_views.part_within(asked, width=8_000, height=5_000)
    assert part == (None if expected is None else map_views.Part(*expected))


def test_a_large_part_is_shrunk_with_its_mask(tmp_path: Path) -> None:
    rows = np.arange(2100, dtype=np.uint8)[:, None].repeat(120, axis=1)
    Image.fromarray(np.dstack([rows] * 3)).save(tmp_path / "tall.png")
    profile = {"driver": "GTiff", "width": 120, "height": 2100, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "mask.tif", "w", transform=rasterio.Affine(1, 0, 9, 0, -1, 9), **profile) as file:
        file.write((rows >= 128).astype(np.uint8), 1)
    view = map_views.detail(tmp_path / "tall.png", tmp_path / "mask.tif", map_views.Part(0, 0, 120, 2100))
    assert view.photo.shape == (1050, 60, 3)
    assert view.mask.shape == (1050, 60)
    assert ((view.photo[..., 0] >= 128) == (view.mask == 1)).mean() > 0.99


@pytest.mark.usefixtures("no_worker")
def test_a_segmentation_ends_with_its_session_and_can_be_cancelled(workspace: Workspace) -> None:
    workspace.add("roof.png", png(100))
    job = SegmentationJob(workspace, list(workspace.pictures), Choice("student"))
    job.cancel()
    assert job.read_state().state == "cancelled"
    again = SegmentationJob(workspace, list(workspace.pictures), Choice("student"))
    held = claim()
    assert (held.id, again.read_state().state) == (again.run_id, "running")
    again.cancel()
    after = open_store().heartbeat(held.id, "w", 0.5, attempt=1)
    assert after is not None
    assert after.cancel_requested
    workspace.close()
    assert predictions() == []
    assert open_store().heartbeat(held.id, "w", 0.5, attempt=1) is None, "its process must stop"
    assert not workspace.folder.exists()
    assert not open_store().folder(held.id).exists()


@pytest.mark.usefixtures("no_worker")
def test_nothing_of_a_segmentation_that_is_replaced_stays(workspace: Workspace) -> None:
    workspace.add("roof.png", png(100))
    first = SegmentationJob(workspace, list(workspace.pictures), Choice("student"))
    claim()
    second = SegmentationJob(workspace, list(workspace.pictures), Choice("student"))
    assert [run.id for run in predictions()] == [second.run_id]
    assert [folder.name for folder in workspace.folder.glob("out-*")] == [second.folder.name]
    assert first.read_state().state == "failed"


@pytest.mark.usefixtures("no_worker")
def test_a_segmentation_whose_folder_is_gone_holds_up_nobody(workspace: Workspace) -> None:
    """The sweep forgets it; until then its run fails (tests/unit/runs/executors/test_predicting.py)."""
    swept = workspaces.open_workspace()
    swept.add("roof.png", png(100))
    first = SegmentationJob(swept, list(swept.pictures), Choice("student"))
    shutil.rmtree(swept.folder)
    workspace.add("roof.png", png(101))
    job = SegmentationJob(workspace, list(workspace.pictures), Choice("student"))
    assert job.read_state().ahead == 1
    workspaces.sweep(0.0)
    assert job.read_state().ahead == 0
    assert first.ended
    assert not job.ended


@pytest.mark.usefixtures("no_worker")
def test_no_other_visitor_is_shown_an_order(workspace: Workspace, view: View) -> None:
    """Not on the page of runs, nor by its address; and nobody cancels, retries, pins, copies or deletes it there."""
    workspace.add("secret roof.png", png(100))
    job = SegmentationJob(workspace, list(workspace.pictures), Choice("student"))
    open_store().add(launch.to_config(launch.Request()))
    assert [run.id for run in runs.list_runs()] != []
    assert job.run_id not in {run.id for run in runs.list_runs()}
    page = view("runs", run=job.run_id)
    assert not page.exception
    assert "That run is gone" in words(page)
    assert job.run_id not in words(page)
    claim()
    stranger = Person("198.51.100.1")
    for attempt in (
        lambda: runs.cancel(job.run_id, stranger),
        lambda: runs.retry(job.run_id, stranger),
        lambda: runs.pin(job.run_id, True, stranger),
        lambda: runs.delete(job.run_id, stranger),
        lambda: waiting_runs.move_to_front(job.run_id, stranger),
        lambda: waiting_runs.copy_link(job.run_id),
    ):
        with pytest.raises(RunNotFoundError, match="There is no run"):
            attempt()
    assert open_store().get(job.run_id).cancel_requested is False
    assert workers.worker_state().current == ()
    assert not workers.training()


@pytest.mark.usefixtures("no_worker")
def test_the_queue_is_bounded(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "MOST_WAITING", 1)
    workspace.add("roof.png", png())
    first = SegmentationJob(workspace, list(workspace.pictures), Choice("student"))
    with pytest.raises(RunError, match="try again"):
        SegmentationJob(workspace, list(workspace.pictures), Choice("student"))
    assert first.read_state().state == "running"
    assert [folder.name for folder in workspace.folder.glob("out-*")] == [first.folder.name]


def test_an_empty_page_says_what_to_do(view: View) -> None:
    page = view("map")
    assert not page.exception
    assert "No image yet" in words(page)
    assert page.button(key="segment").disabled


def test_an_upload_that_is_none_is_refused_in_one_sentence_and_nothing_of_it_is_markup(view: View) -> None:
    page = view("map")
    page.file_uploader[0].set_value([("![x](http://evil).png", b"GIF89a", "image/png")]).run()
    assert not page.exception
    assert [error.value for error in page.error] == ["evil).png is a GIF: save it as PNG, JPEG or TIFF."]


@pytest.mark.slow
def test_results_are_shown_with_areas_and_downloads(view: View) -> None:
    page = view("map")
    page.file_uploader[0].set_value([("roof.png", png(64), "image/png")]).run()
    assert "1 image" in words(page)
    page.button(key="segment").click().run()
    assert not page.exception
    with real_worker():
        finish(mapping.current(page.session_state["session_workspace"]))
    page.run()
    assert not page.exception
    assert [header.value for header in page.subheader] == ["Results"]
    assert list(page.dataframe[0].value["Class"]) == ["Building", "Land", "Road", "Vegetation", "Water"]
    assert page.dataframe[0].value["Pixels"].sum() == 64 * 64
    assert "does not know where it lies" in words(page)
    page.session_state["session_workspace"].close()


def test_what_is_measured_goes_from_the_page_to_the_process(view: View) -> None:
    page = view("map")
    page.file_uploader[0].set_value([("roof.png", png(64), "image/png")]).run()
    page.number_input(key="map_ground").set_value(0.3).run()
    page.number_input(key="map_smallest").set_value(5.0).run()
    page.number_input(key="map_smooth").set_value(0.0).run()
    page.button(key="segment").click().run()
    assert not page.exception
    job = mapping.current(page.session_state["session_workspace"])
    assert (job.choice.ground, job.choice.smallest_area, job.choice.smooth) == (
        0.3,
        5.0,
        0.0,
    )
    sent = batch.BatchRequest.from_json(open_store().get(job.run_id).job)
    assert (sent.ground, sent.polygons.smallest_area, sent.polygons.smooth) == (0.3, 5.0, 0.0)
    page.session_state["session_workspace"].close()
