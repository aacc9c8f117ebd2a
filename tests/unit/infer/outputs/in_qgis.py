"""What QGIS makes of our files, as JSON on standard output: run by the Python that QGIS was built for, not by ours.

python3 in_qgis.py STEM ...    of STEM.gpkg, STEM.geojson, STEM.qml and STEM.tif
"""

import json
import sys
from typing import Any

from qgis.core import Qgis, QgsApplication, QgsCategorizedSymbolRenderer, QgsRasterLayer, QgsVectorLayer


def classes(layer: Any) -> list[list[Any]]:
    """Value, label, fill and outline of each category; nothing where the layer has another renderer."""
    renderer = layer.renderer()
    if not isinstance(renderer, QgsCategorizedSymbolRenderer) or renderer.classAttribute() != "class":
        return []
    found = []
    for category in renderer.categories():
        fill = category.symbol().symbolLayer(0)
        outline = [fill.strokeColor().name(), fill.strokeWidth()]
        found.append([category.value(), category.label(), fill.fillColor().name(), fill.fillColor().alpha(), *outline])
    return found


def extent(layer: Any) -> list[float]:
    box = layer.extent()
    return [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()]


def vector(path: str, qml: str) -> dict[str, Any]:
    layer = QgsVectorLayer(f"{path}|layername=classes", "classes", "ogr")
    count, _, names, _, _ = layer.listStylesInDatabase()
    inside, invalid = classes(layer), 0
    for feature in layer.getFeatures():
        invalid += not feature.geometry().isGeosValid()
    # A layer of a GeoPackage takes its style from there, whatever file it is given.
    plain = QgsVectorLayer("Polygon?field=class:integer", "plain", "memory")
    said, loaded = plain.loadNamedStyle(qml)
    return {
        "valid": layer.isValid(),
        "features": layer.featureCount(),
        "invalid": invalid,
        "system": layer.crs().authid(),
        "extent": extent(layer),
        "fields": {field.name(): field.typeName() for field in layer.fields()},
        "styles": [count, names],
        "inside": inside,
        "beside": [loaded, said, classes(plain)],
    }


def geojson(path: str) -> list[list[Any]]:
    """The classes that a GeoJSON is drawn in, from the file beside it."""
    return classes(QgsVectorLayer(path, "polygons", "ogr"))


def raster(path: str) -> dict[str, Any]:
    layer = QgsRasterLayer(path, "mask")
    provider, renderer = layer.dataProvider(), layer.renderer()
    found: dict[str, Any] = {"valid": layer.isValid(), "system": layer.crs().authid(), "renderer": renderer.type()}
    if renderer.type() == "paletted":
        found["classes"] = [[one.value, one.label, one.color.name()] for one in renderer.classes()]
    found["nodata"] = provider.sourceNoDataValue(1) if provider.sourceHasNoDataValue(1) else None
    found["extent"] = extent(layer)
    return found


def main(stems: list[str]) -> None:
    application = QgsApplication([], False)
    application.initQgis()
    told = {
        stem: [vector(f"{stem}.gpkg", f"{stem}.qml"), raster(f"{stem}.tif"), geojson(f"{stem}.geojson")]
        for stem in stems
    }
    sys.stdout.write(json.dumps({"version": Qgis.QGIS_VERSION, "files": told}))
    sys.stdout.flush()
    application.exitQgis()


main(sys.argv[1:])
