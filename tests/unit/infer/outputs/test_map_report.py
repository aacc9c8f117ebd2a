"""The report on a picture: a scale bar of true length, every number of the areas, and colours that can be changed."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.infer.outputs.areas import Area
from core.infer.outputs.map_report import MapReport, report_html, round_length
from core.infer.outputs.recolour import recolour
from core.infer.picture import Wanted, predict_picture
from core.infer.tiling import Tiling
from tests.unit.infer.rasters import UTM, Held
from tests.unit.infer.test_picture import PLACE, blocks, expected, loaded


def report(**changes: object) -> MapReport:
    rng = np.random.default_rng(0)
    values: dict[str, object] = {
        "title": "a <b>bold</b> name",
        "model": "student",
        "photo": rng.integers(0, 256, (30, 40, 3), dtype=np.uint8),
        "mask": rng.integers(0, 2, (30, 40), dtype=np.uint8),
        "confidence": np.full((30, 40), 254, np.uint8),
        "unsure": 0.125,
        "size": (400, 300),
        "names": ("Water", "Land"),
        "colours": ((0, 0, 200), (0, 160, 0)),
        "areas": (Area("Water", 70_000, 6300.0, 0.6), Area("Land", 50_000, 4500.0, 0.4)),
        "metres_per_pixel": 0.3,
    }
    return MapReport(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("most", "length"), [(30.0, 20), (1.0, 1), (0.049, 0.02), (99_999, 50_000), (50.0, 50)])
def test_a_scale_bar_is_one_two_or_five(most: float, length: float) -> None:
    assert round_length(most) == pytest.approx(length)


def test_the_scale_bar_is_as_long_on_the_page_as_on_the_ground() -> None:
    page = report_html(report())
    share = float(re.search(r'class="bar" style="width:([\d.]+)%', page)[1]) / 100  # type: ignore[index]
    told = re.search(r'class="note scale">(\d+) m<', page)
    assert told is not None
    assert share * 400 * 0.3 == pytest.approx(float(told[1]), rel=1e-4)
    assert "no scale bar" in report_html(report(metres_per_pixel=None))


def test_it_opens_without_a_network_and_says_every_number_and_no_markup_of_others() -> None:
    page = report_html(report())
    assert "<b>bold" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    for number in ("70,000", "60.00 %", "0.6300", "6,300.0", "less than 60 % on 12.5 %"):
        assert number in page
    assert "Hectares" not in report_html(report(areas=(Area("Water", 7, None, 1.0),)))


def test_a_picture_gives_one_and_its_colours_change_with_the_page(tmp_path: Path) -> None:
    held = Held(blocks(), None, PLACE, UTM, 0.5)
    wanted = Wanted(png=False, report=True)
    predict_picture(held, tmp_path / "a", loaded(), wanted, device="cpu", tiling=Tiling(512, 16))
    assert [path.name for path in tmp_path.iterdir()] == ["a_report.html"]
    recolour(tmp_path / "a_report.html", tmp_path / "shown.html", [(1, 2, 3)])
    page = (tmp_path / "shown.html").read_text()
    assert 'data-class="0" style="background:#010203"' in page
    assert 'data-class="1" style="background:#faf0e6"' in page
    packed = re.search(r"data:image/png;base64,([^\"]+)", page)
    assert packed is not None
    with Image.open(io.BytesIO(base64.b64decode(packed[1]))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected(held))
        assert picture.getpalette()[:6] == [1, 2, 3, 250, 240, 230]
