"""A mosaic of parts is the whole, and change between two masks adds up to the ground that they share."""

import csv
import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from numpy.typing import NDArray

from core.cli.main import main
from core.errors import ConfigError, GeoError
from core.imagery.geodesy import PixelAreas
from core.imagery.limits import Info
from core.infer.outputs.geotiff import CONFIDENCE, ConfidenceWriter, MaskWriter, gdal, to_cog
from core.infer.outputs.mask_polygons import PolygonSettings
from core.infer.outputs.placed_masks import open_mask
from core.infer.outputs.together import change, mosaic
from core.infer.tiling import NO_DATA

NAMES, COLOURS = ("Water", "Land & wood", "Road"), ((0, 0, 200), (0, 160, 0), (90, 90, 90))
UTM, SIDE = "EPSG:32640", 2.0
EXACT = PolygonSettings(smallest_area=0, smooth=0)


def whole() -> NDArray[np.uint8]:
    """(60, 90) in fields of 5 x 5 pixels, with no data in one corner."""
    mask = np.kron(np.random.default_rng(0).integers(0, 3, (12, 18), dtype=np.uint8), np.ones((5, 5), np.uint8))
    mask[:10, :10] = NO_DATA
    return mask


def info_of(height: int, width: int, *, row: int = 0, column: int = 0, crs: str | None = UTM) -> Info:
    place = (SIDE, 0.0, 330_000 + column * SIDE, 0.0, -SIDE, 2_780_000 - row * SIDE)
    return Info("TIFF", width, height, (), crs, place if crs else None)


def saved(path: Path, mask: NDArray[np.uint8], info: Info, names: tuple[str, ...] = NAMES) -> Path:
    with gdal():
        writer = MaskWriter(path.with_suffix(".plain"), info, names, COLOURS[: len(names)])
        writer.write(0, mask)
        writer.close()
        to_cog(writer.path, path, names)
    return path


def read(path: Path) -> tuple[NDArray[np.uint8], tuple[float, ...]]:
    with rasterio.open(path) as file:
        return file.read(1), tuple(file.transform)[:6]


def test_a_mosaic_of_parts_is_the_whole_and_the_first_counts_where_they_overlap(tmp_path: Path) -> None:
    mask = whole()
    left = saved(tmp_path / "left.tif", mask[:, :50], info_of(60, 50))
    other = mask[20:, 40:].copy()
    other[:, :10] = 2
    right = saved(tmp_path / "right.tif", other, info_of(40, 50, row=20, column=40))
    made = mosaic([left, right], tmp_path / "out" / "both", settings=EXACT)
    expected = mask.copy()
    expected[:20, 50:] = NO_DATA
    found, place = read(tmp_path / "out" / "both.tif")
    np.testing.assert_array_equal(found, expected)
    assert place == info_of(60, 90).transform
    sizes = PixelAreas(info_of(60, 90)).sums(0, expected, 256)
    assert [area.square_metres for area in made.areas] == pytest.approx(sizes[:3].tolist())
    _, _, wkb, columns = pyogrio.raw.read(tmp_path / "out" / "both.gpkg", layer="classes")
    shapes = shapely.from_wkb(wkb)
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert columns[4].sum() == pytest.approx(sizes[:3].sum(), rel=1e-6)
    assert {path.name for path in made.files} == {
        f"both{ending}" for ending in (".tif", ".gpkg", ".geojson", ".qml", "_areas.csv")
    }


def test_a_mask_in_another_system_lies_where_it_lay(tmp_path: Path) -> None:
    mask = whole()
    first = saved(tmp_path / "a.tif", mask, info_of(60, 90))
    # The next zone: the same ground is turned there by about a degree, and 340 km further west.
    (x,), (y,) = rasterio.warp.transform(UTM, "EPSG:32641", [330_000.0], [2_780_000.0])
    place = (SIDE, 0.0, x + 300.0, 0.0, -SIDE, y)
    second = saved(tmp_path / "b.tif", np.ones((60, 60), np.uint8), Info("TIFF", 60, 60, (), "EPSG:32641", place))
    mosaic([first, second], tmp_path / "both", settings=EXACT)
    found, at = read(tmp_path / "both.tif")
    (x,), (y,) = rasterio.warp.transform("EPSG:32641", UTM, [place[2] + 60.0], [place[5] - 60.0])
    assert found[int((y - at[5]) / at[4]), int((x - at[2]) / at[0])] == 1
    row, column = round((2_780_000 - at[5]) / at[4]), round((330_000 - at[2]) / at[0])
    np.testing.assert_array_equal(found[row : row + 60, column : column + 90][10:], mask[10:])


def test_change_adds_up_and_names_what_became_of_what(tmp_path: Path) -> None:
    mask = whole()
    second_date = mask.copy()
    second_date[20:30, 30:50] = 2
    before = saved(tmp_path / "before.tif", mask, info_of(60, 90))
    after = saved(tmp_path / "after.tif", second_date[5:], info_of(55, 90, row=5))
    made = change(before, after, tmp_path / "change", settings=EXACT)
    sizes = PixelAreas(info_of(60, 90))
    known = np.where((mask != NO_DATA) & (np.arange(60) >= 5)[:, None], 0, 1)
    assert sum(area.square_metres or 0 for area in made.areas) == pytest.approx(sizes.sums(0, known, 2)[0])
    with (tmp_path / "change_areas.csv").open() as file:
        rows = {row["class"]: float(row["square_metres"]) for row in csv.DictReader(file)}
    # 0 and 1 became 2 somewhere; what was 2 stays.
    assert list(rows) == ["both the same", "Water → Road", "Land & wood → Road"]
    changed = np.where((mask == 0) & (second_date == 2) & (mask != second_date), 0, 1)
    assert rows["Water → Road"] == pytest.approx(sizes.sums(0, changed, 2)[0], abs=0.01)
    _, _, wkb, columns = pyogrio.raw.read(tmp_path / "change.gpkg", layer="classes")
    assert shapely.coverage_is_valid(shapely.from_wkb(wkb))
    for name in ("Water → Road", "Land & wood → Road"):
        assert columns[4][columns[1] == name].sum() == pytest.approx(rows[name], abs=0.05)
    assert set(columns[2]) == {"#5a5a5a"}


def sure_of(path: Path, steps: NDArray[np.uint8], info: Info) -> None:
    """How sure the model was, beside the mask of that path."""
    with gdal():
        writer = ConfidenceWriter(path.with_suffix(".sure"), info)
        writer.write_steps(0, steps)
        writer.close()
        to_cog(writer.path, path.with_name(path.stem + CONFIDENCE))


def means_of(path: Path) -> tuple[NDArray[np.object_], NDArray[np.float64], NDArray[np.int32]]:
    """Polygons of a layer in metres from its corner, their mean confidence, and their class."""
    _, _, wkb, columns = pyogrio.raw.read(path, layer="classes")
    return shapely.from_wkb(wkb), columns[6], columns[0]


def test_polygons_of_a_mosaic_have_the_mean_confidence_of_the_masks_that_count(tmp_path: Path) -> None:
    """Left half from the first mask, whose confidence is 200 of 254; right half from the second, which nobody kept."""
    halves = np.zeros((20, 40), np.uint8)
    halves[:, 20:] = 1
    left = saved(tmp_path / "left.tif", halves[:, :30], info_of(20, 30))
    steps = np.full((20, 30), 200, np.uint8)
    steps[:10, :20] = 100
    sure_of(left, steps, info_of(20, 30))
    right = saved(tmp_path / "right.tif", np.full((20, 20), 2, np.uint8), info_of(20, 20, column=20))
    made = mosaic([left, right], tmp_path / "both", settings=EXACT)
    assert made.notes == []
    _, means, classes = means_of(tmp_path / "both.gpkg")
    found = {int(number): mean for number, mean in zip(classes, means, strict=True)}
    assert found[0] == pytest.approx(150 / 254, abs=1e-4)
    assert found[1] == pytest.approx(200 / 254, abs=1e-4)
    assert np.isnan(found[2])
    features = json.loads((tmp_path / "both.geojson").read_text())["features"]
    told = {feature["properties"]["class"]: feature["properties"]["confidence"] for feature in features}
    assert told == {0: pytest.approx(150 / 254, abs=1e-4), 1: pytest.approx(200 / 254, abs=1e-4), 2: None}
    bare = mosaic([right, saved(tmp_path / "bare.tif", halves, info_of(20, 40))], tmp_path / "bare", settings=EXACT)
    assert any("do not say how sure" in note for note in bare.notes)


def test_a_change_is_as_sure_as_the_less_sure_of_its_dates(tmp_path: Path) -> None:
    mask = np.zeros((20, 40), np.uint8)
    second_date = mask.copy()
    second_date[5:15, 5:15] = 1
    before = saved(tmp_path / "before.tif", mask, info_of(20, 40))
    after = saved(tmp_path / "after.tif", second_date[2:], info_of(18, 40, row=2))
    sure_of(before, np.full((20, 40), 220, np.uint8), info_of(20, 40))
    sure_of(after, np.where(second_date[2:] == 1, 127, 250).astype(np.uint8), info_of(18, 40, row=2))
    change(before, after, tmp_path / "change", settings=EXACT)
    _, means, _ = means_of(tmp_path / "change.gpkg")
    assert means.tolist() == [pytest.approx(0.5, abs=1e-4)]


def test_a_confidence_of_another_grid_counts_for_nothing_and_a_damaged_one_is_one_sentence(tmp_path: Path) -> None:
    masks = [saved(tmp_path / f"{name}.tif", whole(), info_of(60, 90)) for name in ("a", "b")]
    sure_of(masks[0], np.full((60, 80), 9, np.uint8), info_of(60, 80))
    made = mosaic(masks, tmp_path / "both", settings=EXACT)
    assert np.isnan(means_of(tmp_path / "both.gpkg")[1]).all()
    assert any("do not say how sure" in note for note in made.notes)
    (tmp_path / f"a{CONFIDENCE}").write_text("no picture")
    with pytest.raises(GeoError, match=f"a{CONFIDENCE} cannot be read"):
        mosaic(masks, tmp_path / "both", settings=EXACT)


def test_nothing_changed_is_no_polygon(tmp_path: Path) -> None:
    mask = saved(tmp_path / "a.tif", whole(), info_of(60, 90))
    made = change(mask, mask, tmp_path / "change", settings=EXACT)
    assert [area.name for area in made.areas] == ["both the same"]
    assert pyogrio.read_info(tmp_path / "change.gpkg", layer="classes")["features"] == 0


def test_each_wrong_request_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = saved(tmp_path / "good.tif", whole(), info_of(60, 90))
    far = saved(tmp_path / "far.tif", whole(), info_of(60, 90, row=5_000_000))
    other = saved(tmp_path / "other.tif", whole() % 2, info_of(60, 90), NAMES[:2])
    nowhere = saved(tmp_path / "nowhere.tif", whole(), info_of(60, 90, crs=None))
    photo = tmp_path / "photo.tif"
    with rasterio.open(photo, "w", driver="GTiff", width=4, height=4, count=3, dtype="uint8", crs=UTM,
                       transform=rasterio.Affine(1, 0, 9, 0, -1, 9)) as file:  # fmt: skip
        file.write(np.zeros((3, 4, 4), np.uint8))
    (tmp_path / "text.tif").write_text("no picture")
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="two masks at least"):
        mosaic([good], out, settings=EXACT)
    with pytest.raises(ConfigError, match="different classes: segment both with one model"):
        mosaic([good, other], out, settings=EXACT)
    with pytest.raises(ConfigError, match="at most 1 megapixels"):
        mosaic([good, far], out, settings=EXACT, most=1_000_000)
    with pytest.raises(ConfigError, match="share no ground"):
        change(good, far, out, settings=EXACT)
    for path, told in (
        (nowhere, "does not say where it lies"),
        (photo, "is no mask"),
        (tmp_path / "text.tif", "cannot"),
    ):
        with pytest.raises(GeoError, match=f"{path.name} {told}"):
            open_mask(path)
    assert main(["change", str(good), str(tmp_path / "gone.tif"), "--out", str(out)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.glob("out*"))
