"""A report on one picture, as an HTML file that opens without a network and prints well: map, scale bar, areas, and
where the model is unsure.

The mask lies over the picture as a palette PNG, so that `core.infer.outputs.recolour` can give it other colours.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.classes import Colour
from core.image import encode_webp
from core.infer.outputs.areas import Area
from core.infer.tiling import NO_DATA

MASK_ADDRESS, SWATCH = "data:image/png;base64,", 'style="background:'
UNSURE_BELOW = 0.6
_STEPS = 254
_UNSURE: Colour = (214, 0, 110)
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: #1f2421; background: #fff;
  margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 1.8rem 0 .5rem; }
.stack { position: relative; line-height: 0; } .stack img { width: 100%; }
.stack .mask { position: absolute; inset: 0; opacity: .55; image-rendering: pixelated; }
.bar { border: 2px solid #1f2421; border-top: 0; height: .45rem; margin: .6rem 0 0; } .note { color: #5d635f; }
table { border-collapse: collapse; }
th, td { padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid #d8d3c6; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
i { display: inline-block; width: .85rem; height: .85rem; margin-right: .45rem; border: 1px solid #8889;
  vertical-align: -.08rem; }
* { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
@page { size: A4; margin: 14mm; }
@media print { body { padding: 0; max-width: none; } section { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class MapReport:
    """What a report shows.

    Attributes:
        title: Of the picture.
        model: The name of the model.
        photo: uint8 (h, w, 3), shrunk.
        mask: Class indices (h, w), shrunk alike.
        confidence: (h, w), 0 to 254 for 0 to 1, shrunk alike.
        unsure: The share of all pixels, 0 to 1, whose likeliest class has less than `UNSURE_BELOW`.
        size: Width and height of the picture, in pixels.
        names: Of the classes.
        colours: Of the classes.
        areas: Of each class.
        metres_per_pixel: Of the picture, where it is known.
        notes: Sentences on what was decided and what could not be worked out.
    """

    title: str
    model: str
    photo: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    unsure: float
    size: tuple[int, int]
    names: Sequence[str]
    colours: Sequence[Colour]
    areas: Sequence[Area]
    metres_per_pixel: float | None
    notes: Sequence[str] = ()


def report_html(report: MapReport) -> str:
    """The report as one HTML file."""
    photo = f"data:image/webp;base64,{_text(encode_webp(report.photo))}"
    unsure = f"data:image/webp;base64,{_text(encode_webp(_unsure(report.photo, report.confidence)))}"
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in report.notes)
    words = (
        f"The model gives its class less than {100 * UNSURE_BELOW:.0f} % on {100 * report.unsure:.1f} % of the pixels: "
        "the stronger the colour, the less sure it is. Look at these places first."
    )
    title, (width, height) = escape(report.title), report.size
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        f'<p class="note">{width:,} × {height:,} pixels, segmented by {escape(report.model)} (Terrastill)</p>\n'
        f'<section><h2>Map</h2><div class="stack"><img alt="The picture" src="{photo}">'
        f'<img class="mask" alt="The classes" src="{MASK_ADDRESS}{_text(_mask_png(report))}"></div>\n'
        f"{_scale_bar(report)}</section>\n"
        f"<section><h2>Areas</h2>{_table(report)}</section>\n"
        f'<section><h2>Where the model is unsure</h2><p>{words}</p><div class="stack">'
        f'<img alt="Where the model is unsure" src="{unsure}"></div></section>\n'
        f"{notes}</body></html>\n"
    )


def round_length(most: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is no more than `most`, which is above 0."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(next(step * power for step in (5, 2, 1) if step * power <= most * (1 + 1e-12)))


def _scale_bar(report: MapReport) -> str:
    if report.metres_per_pixel is None:
        return '<p class="note">The picture does not say how large a pixel is, so there is no scale bar.</p>'
    width = report.size[0] * report.metres_per_pixel
    metres = round_length(width / 4)
    told = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    return f'<div class="bar" style="width:{100 * metres / width:.4f}%"></div><p class="note scale">{told}</p>'


def _table(report: MapReport) -> str:
    known = any(area.hectares is not None for area in report.areas)
    units = "<th>Hectares</th><th>Square metres</th>" if known else ""
    rows = []
    for index, area in enumerate(report.areas):
        colour = "#{:02x}{:02x}{:02x}".format(*report.colours[index])
        numbers = [f"{area.pixels:,}", f"{100 * area.share:.2f} %"]
        if known:
            numbers += ["–"] * 2 if area.hectares is None else [f"{area.hectares:,.4f}", f"{area.square_metres:,.1f}"]
        cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
        rows.append(f'<tr><td><i data-class="{index}" {SWATCH}{colour}"></i>{escape(area.name)}</td>{cells}</tr>\n')
    return f"<table><tr><th>Class</th><th>Pixels</th><th>Share</th>{units}</tr>\n{''.join(rows)}</table>"


def _mask_png(report: MapReport) -> bytes:
    picture = Image.fromarray(report.mask)
    table = np.zeros((256, 3), np.uint8)
    table[: len(report.colours)] = report.colours
    picture.putpalette(table.ravel().tolist())
    packed = io.BytesIO()
    picture.save(packed, "PNG", transparency=NO_DATA)
    return packed.getvalue()


def _unsure(photo: NDArray[np.uint8], confidence: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture in grey, with colour where the model is unsure."""
    grey = np.repeat(photo.mean(axis=2, keepdims=True) * 0.5 + 110, 3, axis=2)
    share = np.where(confidence == NO_DATA, 0.0, 1 - confidence / _STEPS)[..., None]
    share = np.clip(share / (1 - UNSURE_BELOW) * 0.8, 0, 1)
    found: NDArray[np.uint8] = np.round(grey * (1 - share) + np.array(_UNSURE) * share).astype(np.uint8)
    return found


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
