"""A report as one HTML file that opens without a network: text, tables, pictures and plots, all inside it."""

import base64
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.services.names import in_html
from app.services.plots import Series, svg_plot


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str


@dataclass(frozen=True)
class Table:
    """Rows of plain values, one dictionary a row; numbers are rounded for reading, None is a dash."""

    rows: Sequence[Mapping[str, Any]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """An encoded picture: `kind` is png, jpeg or webp."""

    data: bytes
    caption: str
    kind: str = "png"


@dataclass(frozen=True)
class Pictures:
    """Several side by side."""

    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Plot:
    """Points or lines; see `services.plots`."""

    title: str
    series: Sequence[Series]
    x_title: str
    y_title: str
    log_x: bool = False


@dataclass(frozen=True)
class Legend:
    """What each colour of the masks means."""

    classes: Sequence[tuple[str, tuple[int, int, int]]]


Part = Text | Table | Pictures | Plot | Legend


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: Sequence[Part]


_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: #1f2421; background: #fcfbf8;
  margin: 0 auto; max-width: 78rem; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.8rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.25rem 0 .6rem; }
.made, figcaption, caption { color: #5d635f; font-size: .88rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .92rem; margin: .5rem 0 1rem; }
caption { text-align: left; padding-bottom: .35rem; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #ddd8cc; text-align: left; vertical-align: top; }
td:first-child { white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
figure { margin: 0 0 1rem; } figure img { width: 100%; border-radius: .4rem; display: block; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; margin: 0; list-style: none; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; border-radius: .2rem;
  border: 1px solid #8889; vertical-align: -.05rem; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
svg { max-width: 100%; height: auto; }
@media print { body { padding: 0; } h2, figure, tr { break-inside: avoid; } }
"""


def render(title: str, sections: Sequence[Section], *, subtitle: str = "") -> str:
    """The whole page. Everything that came from outside is escaped."""
    made = datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
    body = "".join(_section(section) for section in sections)
    lead = f"<p>{in_html(subtitle)}</p>" if subtitle else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{in_html(title)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{in_html(title)}</h1>{lead}<p class="made">Terrastill · {in_html(made)}</p>{body}</body></html>\n'
    )


def _section(section: Section) -> str:
    parts = "".join(_part(part) for part in section.parts)
    return f"<section><h2>{in_html(section.title)}</h2>{parts}</section>"


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


def _part(part: Part) -> str:
    if isinstance(part, Text):
        return f"<p>{in_html(part.words)}</p>"
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Pictures):
        return f'<div class="pictures">{"".join(_picture(picture) for picture in part.pictures)}</div>'
    if isinstance(part, Legend):
        return _legend(part)
    plot = svg_plot(part.series, x_title=part.x_title, y_title=part.y_title, log_x=part.log_x)
    return f"<figure>{plot}<figcaption>{in_html(part.title)}</figcaption></figure>"


def _legend(legend: Legend) -> str:
    entries = (f'<li><i style="background:rgb{colour}"></i>{in_html(name)}</li>' for name, colour in legend.classes)
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _picture(picture: Picture) -> str:
    source = f"data:image/{picture.kind};base64,{base64.b64encode(picture.data).decode()}"
    caption = in_html(picture.caption)
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def _table(table: Table) -> str:
    filled = [name for row in table.rows for name, value in row.items() if value is not None and value != ""]
    names = [name for name in dict.fromkeys(name for row in table.rows for name in row) if name in filled]
    head = "".join(f'<th scope="col">{in_html(name)}</th>' for name in names)
    rows = "".join(f"<tr>{''.join(_cell(row.get(name)) for name in names)}</tr>" for row in table.rows)
    caption = f"<caption>{in_html(table.caption)}</caption>" if table.caption else ""
    return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    opening = '<td class="number">' if number else "<td>"
    return f"{opening}{in_html(_value(value))}</td>"


def _value(value: Any) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
