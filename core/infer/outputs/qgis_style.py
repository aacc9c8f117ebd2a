"""How QGIS draws our results: a style by class, as a QML file and inside a GeoPackage (its table `layer_styles`).

One QML file is for the mask and for its polygons: QGIS takes from it what suits the layer.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from core.classes import Colour
from core.errors import GeoError
from core.geo import disk_full

STYLE_NAME = "classes"
_ALPHA = 165
_TABLE = """
CREATE TABLE IF NOT EXISTS layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
  f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
  useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))
"""
_LISTED = """
INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier)
VALUES ('layer_styles', 'attributes', 'layer_styles')
"""
_INSERT = """
INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML,
  styleSLD, useAsDefault, description, owner, ui)
SELECT '', '', table_name, column_name, ?, ?, '', 1, ?, '', '' FROM gpkg_geometry_columns WHERE table_name = ?
"""
_SYMBOL = re.compile(r'<symbol type="fill" name="(\d+)"')
_FILL = re.compile(r'(name="color" value="|k="color" v=")\d+,\d+,\d+,')
_ENTRY = re.compile(r'(<paletteEntry value="(\d+)" color=")#[0-9a-f]{6}')


@dataclass(frozen=True)
class ClassColours:
    """Class names and colours by index; colours behind the last name count for nothing."""

    names: tuple[str, ...]
    colours: tuple[Colour, ...]


def qml(polygons: ClassColours, mask: ClassColours | None = None) -> str:
    """A QML file: a fill of its colour for each class of polygons, by the field `class`, and the values of a mask.

    QGIS lists only what is in it, and so no more than the classes: of a colour table it lists all 256 colours.

    Args:
        polygons: The classes of polygons.
        mask: Those of the mask; None where they are the same.
    """
    rows = list(enumerate(zip(polygons.names, polygons.colours, strict=False)))
    categories = "".join(
        f'   <category type="long" value="{index}" symbol="{index}" render="true" label={quoteattr(name)}/>\n'
        for index, (name, _) in rows
    )
    symbols = "".join(f"   {_symbol(index, colour)}\n" for index, (_, colour) in rows)
    entries = "".join(
        f'    <paletteEntry value="{index}" color="#{bytes(colour).hex()}" alpha="255" label={quoteattr(name)}/>\n'
        for index, (name, colour) in enumerate(zip((mask or polygons).names, (mask or polygons).colours, strict=False))
    )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.22.0" styleCategories="Symbology">\n'
        ' <renderer-v2 type="categorizedSymbol" attr="class" symbollevels="0" enableorderby="0" forceraster="0">\n'
        f"  <categories>\n{categories}  </categories>\n"
        f"  <symbols>\n{symbols}  </symbols>\n"
        " </renderer-v2>\n"
        " <pipe>\n"
        '  <rasterrenderer type="paletted" band="1" alphaBand="-1" opacity="1" nodataColor="">\n'
        f"   <colorPalette>\n{entries}   </colorPalette>\n"
        "  </rasterrenderer>\n"
        " </pipe>\n"
        "</qgis>\n"
    )


def recoloured_qml(text: str, colours: Sequence[Colour]) -> str:
    """A file of `qml` with other colours; classes behind them keep theirs."""

    def entry(found: re.Match[str]) -> str:
        index = int(found[2])
        return f"{found[1]}#{bytes(colours[index]).hex()}" if index < len(colours) else found[0]

    def changed(line: str) -> str:
        line = _ENTRY.sub(entry, line)
        found = _SYMBOL.search(line)
        if found is None or int(found[1]) >= len(colours):
            return line
        red, green, blue = colours[int(found[1])]
        return _FILL.sub(rf"\g<1>{red},{green},{blue},", line)

    return "".join(map(changed, text.splitlines(keepends=True)))


def put_style(gpkg: Path, layer: str, style: str, *, target: Path) -> None:
    """Put a style into a GeoPackage, as the one that QGIS takes for a layer.

    Args:
        gpkg: The file.
        layer: Its table.
        style: A QML file.
        target: What the file is called in a message.

    Raises:
        DiskFullError: There is no space for it.
        GeoError: The file cannot be changed.
    """
    try:
        with closing(sqlite3.connect(gpkg)) as base:
            base.execute(_TABLE)
            base.execute(_LISTED)
            base.execute("DELETE FROM layer_styles WHERE f_table_name = ?", (layer,))
            base.execute(_INSERT, (STYLE_NAME, style, "The classes in their colours", layer))
            base.commit()
    except sqlite3.Error as error:
        if "full" in str(error):
            raise disk_full(target) from error
        raise GeoError(f"{target.name} cannot hold its style: write it to another disk.") from error


def _symbol(index: int, colour: Colour) -> str:
    fill = ",".join(map(str, (*colour, _ALPHA)))
    values = {"color": fill, "outline_color": "35,35,35,255", "outline_style": "solid", "outline_width": "0.1"}
    values |= {"outline_width_unit": "MM", "style": "solid"}
    options = "".join(f'<Option type="QString" name="{key}" value="{value}"/>' for key, value in values.items())
    # Read by QGIS before 3.26.
    older = "".join(f'<prop k="{key}" v="{value}"/>' for key, value in values.items())
    options = f'<Option type="Map">{options}</Option>'
    layer = f'<layer class="SimpleFill" enabled="1" locked="0" pass="0">{options}{older}</layer>'
    return f'<symbol type="fill" name="{index}" alpha="1" clip_to_extent="1" force_rhr="0">{layer}</symbol>'
