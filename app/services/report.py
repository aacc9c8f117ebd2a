"""A report as one HTML file that opens without a network: text, tables, pictures and plots, all inside it."""

import base64
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.services.names import public
from app.services.plots import Series, svg_plot


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str
    kind: ClassVar = "text"


@dataclass(frozen=True)
class Table:
    """Rows of plain values, one dictionary a row; numbers are rounded for reading, None is a dash."""

    rows: Sequence[Mapping[str, Any]]
    caption: str = ""
    kind: ClassVar = "table"

    @property
    def columns(self) -> list[str]:
        """The names for which some row has a value, in the order in which they appear."""
        filled = {name for row in self.rows for name, value in row.items() if value is not None and value != ""}
        return [name for name in dict.fromkeys(name for row in self.rows for name in row) if name in filled]


@dataclass(frozen=True)
class ReportPicture:
    """An encoded picture: `kind` is png, jpeg or webp."""

    data: bytes
    caption: str
    kind: str = "png"

    @property
    def address(self) -> str:
        """The picture as a data URL."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Pictures:
    """Several side by side."""

    pictures: Sequence[ReportPicture]
    kind: ClassVar = "pictures"


@dataclass(frozen=True)
class Plot:
    """Points or lines; see `services.plots`."""

    title: str
    series: Sequence[Series]
    x_title: str
    y_title: str
    log_x: bool = False
    kind: ClassVar = "plot"

    @property
    def drawing(self) -> str:
        """The plot as SVG; `svg_plot` escapes what it writes into it."""
        return svg_plot(self.series, x_title=self.x_title, y_title=self.y_title, log_x=self.log_x)


@dataclass(frozen=True)
class ReportLegend:
    """What each colour of the masks means."""

    classes: Sequence[tuple[str, tuple[int, int, int]]]
    kind: ClassVar = "legend"


Part = Text | Table | Pictures | Plot | ReportLegend


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: Sequence[Part]


def render(title: str, sections: Sequence[Section], *, subtitle: str = "") -> str:
    """The whole page. Everything that came from outside is escaped, and shows no path of the server."""
    made = datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
    page = _environment().get_template("report.html.jinja")
    return page.render(title=title, sections=sections, subtitle=subtitle, made=made)


@cache
def _environment() -> Environment:
    """Every value is made public and then escaped, but for the plots that we draw."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if hasattr(value, "__html__") else public(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["value"] = _value
    found.tests["number_cell"] = lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)
    return found


def settings_table(settings: Mapping[str, Any], *, caption: str = "") -> Table:
    """Nested settings as rows of name and value: `train.epochs`, 12."""
    return Table([{"Setting": name, "Value": value} for name, value in _flat(settings)], caption)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        else:
            listed = isinstance(value, (list, tuple))
            found.append((f"{prefix}{name}", ", ".join(map(str, value)) if listed else _value(value)))
    return found


def _value(value: Any) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
