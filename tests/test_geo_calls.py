"""No call into GDAL, PROJ or GEOS stands outside `core.geo.calls`, in all of the source; and the search sees one."""

import pytest

from tests.architecture import Module, imports, modules, within
from tests.geo_calls import unguarded, uses_libraries

# Parts of reading a TIFF: `core.imagery.tiff_picture` gives them an open file, inside.
PARTS = tuple(f"core.imagery.{name}" for name in ("bands", "blocks", "pixels", "samples"))
READERS = ("core.imagery.tiff_picture", "core.imagery.band_files", "core.imagery.mask_file", *PARTS)
# Runs where a model was taken to, without the rest of core.
SCRIPTS = ("core.export.segment_bands",)
SOURCE = modules("core", "app")


def test_no_call_stands_outside() -> None:
    found = {m.name: unguarded(m) for m in SOURCE if uses_libraries(m) and not within(m.name, (*PARTS, *SCRIPTS))}
    assert len(found) >= 10
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_the_parts_of_a_reader_are_used_by_readers_alone() -> None:
    strangers = [m.name for m in SOURCE if not within(m.name, READERS) and any(within(n, PARTS) for n in imports(m))]
    assert strangers == []


@pytest.mark.parametrize(
    "text",
    [
        "import shapely\nshapely.area(1)",
        "import rasterio\ndef f(p):\n    with rasterio.open(p) as file:\n        pass",
        "import rasterio\ndef f(p):\n    with rasterio.open(p) as file, geo.calls('x'):\n        pass",
        "import rasterio\ndef f(file: DatasetReader):\n    return file.crs",
        "import rasterio\nclass A:\n    def __init__(self, p):\n        with geo.calls('x'):\n"
        "            self._file = rasterio.open(p)\n    def close(self):\n        self._file.close()",
        "from shapely import area\ndef _f():\n    area(1)\ndef g():\n    with geo.calls('x'):\n        _f()\n    _f()",
        "import shapely\n@geo.calls('x')\ndef f():\n    yield shapely.area(1)",
    ],
)
def test_a_call_outside_is_seen(text: str) -> None:
    assert unguarded(Module("core.x", text))


@pytest.mark.parametrize(
    "text",
    [
        "import shapely\n@geo.calls('x')\ndef f():\n    return shapely.area(1)",
        "import rasterio\ndef f(p):\n    with geo.calls('x'), rasterio.open(p) as file:\n        return file.crs",
        "import shapely\ndef _f():\n    shapely.area(1)\n@geo.calls('x')\ndef g():\n    _f()",
        "import shapely\ndef _w() -> geo.calls: ...\ndef f():\n    with _w():\n        shapely.area(1)",
    ],
)
def test_a_call_inside_passes(text: str) -> None:
    assert unguarded(Module("core.x", text)) == []
