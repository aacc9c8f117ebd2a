"""The models of a comparison as a table: size, speed, agreement and scores.

Plain HTML: Streamlit's own table costs 1.5 MB of scripts, which would compete with the viewer's first paint.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.components import say
from app.services.artifacts import Model, short_count
from app.services.figure_texts import latency, share, size_of_model, times
from app.services.inference import Quality
from app.services.names import cell, in_html
from app.services.speeds import SIDE, Speed

Row = dict[str, Any]

_TEXTS: dict[str, Callable[[float], str]] = {
    "Faster": times,
    "Smaller": times,
    "Less work": times,
    "Agreement": lambda value: share(value / 100),
    "mIoU": lambda value: share(value / 100),
    "Latency (ms)": latency,
    "Latency p95 (ms)": latency,
    "Throughput (MP/s)": "{:.2f} MP/s".format,
    "Parameters (M)": lambda value: short_count(1e6 * value),
    "MACs (G)": lambda value: short_count(1e9 * value),
    "Size (MB)": lambda value: size_of_model(1e6 * value),
}
_HELP = {
    "Faster": "The teacher's latency divided by this model's",
    "Smaller": "The teacher's parameters divided by this model's",
    "Less work": "The teacher's MACs divided by this model's",
    "Agreement": "Share of pixels with the teacher's class",
    "mIoU": "Mean over the classes in the known mask",
    "Latency (ms)": "Median",
    "Latency p95 (ms)": "19 of 20 passes are faster",
    "Throughput (MP/s)": "Megapixels a second",
}
_RATIOS, _SCORES, _COSTS = "Compared with the teacher", "On this image", "Measured"
_STYLE = """<style>
.scores { overflow-x: auto; }
.scores table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
.scores th, .scores td { padding: .3rem .9rem .3rem 0; text-align: right; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.scores th:first-child { text-align: left; font-weight: 400; }
.scores td:not(:last-child), .scores th:not(:last-child) { padding-right: 2.2rem; }
.scores thead small { display: block; font-weight: 400; opacity: .75; }
.scores tbody th[colspan] { padding-top: 1rem; font-weight: 600; }
@media (max-width: 640px) {
  .scores thead th { white-space: normal; }
  .scores td:not(:last-child), .scores th:not(:last-child) { padding-right: .8rem; }
}
</style>"""


def table_rows(
    models: Sequence[Model], qualities: Mapping[str, Quality], speeds: Mapping[str, Speed] | None
) -> list[Row]:
    """One row a model; the first model is the teacher that the ratios refer to."""
    reference = models[0]
    rows = []
    for model in models:
        quality = qualities[model.name]
        row: Row = {
            "Model": model.title,
            "Architecture": model.architecture,
            "Faster": _faster(speeds, reference.name, model.name),
            "Smaller": ratio(reference.parameters, model.parameters),
            "Less work": ratio(reference.macs_256, model.macs_256),
            "Agreement": percent(quality.agreement),
        }
        if quality.per_class:
            row["mIoU"] = percent(quality.miou5)
            row |= {name: percent(value) for name, value in quality.per_class.items()}
        rows.append(row | _measures(model, (speeds or {}).get(model.name)))
    return rows


def _measures(model: Model, speed: Speed | None) -> dict[str, float | None]:
    """What the ratios are made of."""
    return {
        "Latency (ms)": speed.latency_ms if speed else None,
        "Latency p95 (ms)": speed.p95_ms if speed else None,
        "Throughput (MP/s)": speed.megapixels_per_second if speed else None,
        "Parameters (M)": model.parameters / 1e6,
        "MACs (G)": model.macs_256 / 1e9 if model.macs_256 else None,
        "Size (MB)": model.bytes / 1e6,
    }


def score_table(models: Sequence[Model], qualities: Mapping[str, Quality], speeds: Mapping[str, Speed] | None) -> None:
    """Draw the table, and say what its figures rest on."""
    st.html(_STYLE + table_html(table_rows(models, qualities, speeds)))
    say.caption(_footnote(speeds, known=any(quality.per_class for quality in qualities.values())))


def table_html(rows: Sequence[Row]) -> str:
    """One column a model, ratios first. What came from outside is escaped; each class stands beside the picture."""
    heads = "".join(
        f'<th scope="col">{in_html(row["Model"])}<small>{in_html(row["Architecture"])}</small></th>' for row in rows
    )
    lines, last = [], ""
    for name in [name for name in rows[0] if name in _TEXTS]:
        if (part := _part(name)) != last:
            lines.append(f'<tr><th scope="rowgroup" colspan="{len(rows) + 1}">{part}</th></tr>')
            last = part
        cells = "".join(f"<td>{_cell(name, row[name])}</td>" for row in rows)
        title = in_html(name.split(" (")[0])
        lines.append(f'<tr><th scope="row" title="{_HELP.get(name, "")}">{title}</th>{cells}</tr>')
    label = "Size, speed and scores of the compared models"
    return (
        f'<div class="scores" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def table_csv(rows: Sequence[Row]) -> str:
    """The rows for a spreadsheet, in full precision; no name can become a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(map(cell, rows[0]))
    for row in rows:
        writer.writerow(cell(value) if isinstance(value, str) else value for value in row.values())
    return text.getvalue()


def _part(name: str) -> str:
    if name in ("Faster", "Smaller", "Less work"):
        return _RATIOS
    return _SCORES if name in ("Agreement", "mIoU") else _COSTS


def _cell(name: str, value: float | None) -> str:
    return "–" if value is None else _TEXTS[name](value)


def _faster(speeds: Mapping[str, Speed] | None, reference: str, name: str) -> float | None:
    if not speeds or reference not in speeds or name not in speeds:
        return None
    return ratio(speeds[reference].latency_ms, speeds[name].latency_ms)


def percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def ratio(reference: float, value: float) -> float | None:
    return reference / value if value else None


def _footnote(speeds: Mapping[str, Speed] | None, *, known: bool) -> str:
    notes = ["MACs for one 256 × 256 picture."]
    if speeds:
        speed = next(iter(speeds.values()))
        width = max(one.half_width for one in speeds.values())
        notes.append(
            f"Latency: one {SIDE} × {SIDE} picture in {speed.where}, median of {speed.repeats} warm runs or more, "
            f"± {max(1, round(100 * width))} % at most; measured once on this machine and kept."
        )
        if any(one.disturbed for one in speeds.values()):
            notes.append("The machine was busy meanwhile: slower than usual. It is measured again when it is idle.")
    else:
        notes.append("Latency is being measured." if speeds is None else "Latency could not be measured.")
    notes.append("Agreement: share of pixels with the teacher's class.")
    notes.append(
        "IoU on this image; unlabelled pixels are left out."
        if known
        else "No mask is known for this image, so there are no scores."
    )
    return " ".join(notes)
