"""What the viewer is given: planes that come back as they were, a header that says what is where, the scale."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import rasterio

from app.services import inference, overlays
from app.services.datasets import read_upload
from app.services.overlays import Panel
from core import paths
from tests.ui.conftest import CLASSES, header

Shape = tuple[int, int]


def planes_of(mask: Any) -> inference.Planes:
    return inference.Planes(mask, mask + 100, 255 - mask)


def pack(image: Any, mask: Any, title: str = "a", *, entropy: Any = None) -> overlays.Packed:
    said = planes_of(mask) if entropy is None else inference.Planes(mask, mask + 100, entropy)
    encoded = overlays.encode(said)
    panel = Panel("teacher", title, "", encoded.classes, encoded.shares)
    return overlays.pack(image, [panel], classes=CLASSES, ignore_index=5, ground=0.5)


def part(blob: bytes, span: list[int], start: int = 0) -> bytes:
    return blob[start + span[0] : start + span[0] + span[1]]


def test_planes_come_back_as_they_went_in() -> None:
    random = np.random.default_rng(0)
    given = inference.Planes(*(random.integers(0, 256, (7, 9), np.uint8) for _ in range(3)))
    found = overlays.decode(overlays.encode(given))
    for name in ("mask", "confidence"):
        assert np.array_equal(getattr(found, name), getattr(given, name))
    assert found.members is None
    of_members = replace(given, members=random.integers(0, 256, (7, 9), np.uint8))
    again = overlays.decode(overlays.encode(of_members)).members
    assert again is not None
    assert np.array_equal(again, of_members.members)
    assert np.abs(found.entropy.astype(int) - given.entropy).max() <= overlays.ENTROPY_STEP / 2


def test_certain_and_undecided_stay_what_they_are() -> None:
    ends = np.array([[0, 255]], np.uint8)
    assert overlays.decode(overlays.encode(inference.Planes(ends, ends, ends))).entropy.tolist() == [[0, 255]]


@pytest.mark.parametrize("shape", [(3, 5), (4096, 7), (4097, 7), (11, 8195)])
def test_packed_planes_come_back_whole_and_fit_their_picture(shape: Shape) -> None:
    random = np.random.default_rng(0)
    image, mask = random.integers(0, 255, (*shape, 3), np.uint8), random.integers(0, 6, shape, np.uint8)
    packed = pack(image, mask)
    found = header(packed.first)
    panel = found["panels"][0]
    start = len(packed.first) - found["length"]
    shares = [part(packed.shares, span) for span in panel["shares"]]
    assert packed.shares == found["id"].encode() + b"".join(shares)
    step = -(-max(shape) // overlays.LARGEST_SIDE)
    planes = overlays.decode(overlays.Encoded(part(packed.first, panel["classes"], start), *shares))
    assert np.array_equal(planes.mask, mask[::step, ::step])
    assert np.array_equal(planes.confidence, (mask + 100)[::step, ::step])
    assert (found["height"], found["width"]) == planes.mask.shape
    assert max(planes.mask.shape) <= overlays.LARGEST_SIDE
    assert found["ground"] == 0.5 * step


def test_the_packed_id_changes_with_every_part() -> None:
    image, mask = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    other = mask.copy()
    other[0, 0] = 1
    less_sure = pack(image, mask, entropy=np.full((4, 4), 40, np.uint8))
    blobs = (pack(image, mask), pack(image, other), pack(image, mask, "b"), pack(image + 200, mask), less_sure)
    assert len({header(packed.first)["id"] for packed in blobs}) == 5
    assert pack(image, mask) == pack(image.copy(), mask.copy())


def test_the_ground_resolution_of_the_shipped_geotiff_is_known() -> None:
    file = (paths.SAMPLES / "georeferenced.tif").read_bytes()
    with rasterio.open(paths.SAMPLES / "georeferenced.tif") as opened:
        assert opened.crs.is_projected
        assert read_upload("georeferenced.tif", file).ground == pytest.approx(opened.transform.a, rel=1e-3)
    assert read_upload("scene.jpg", (paths.SAMPLES / "images" / "scene_01.jpg").read_bytes()).ground is None
