"""Accuracy against cost, as a picture: who is beaten on both, and who is not. Pure: rows in, figure out."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.services.benchmarks import Row, runtime_symbol, runtime_title
from app.services.names import in_chart
from app.services.plots import log_axis

AXES = {"latency": "Latency (ms)", "parameters": "Parameters", "bytes": "File size (MB)"}
_COLOURS = ("#2a9479", "#d9782d", "#7c7ce0", "#b8860b", "#a0528d", "#3f7fb5", "#6b6b6b", "#ed5e9f")


def along(row: Row, axis: str) -> float | None:
    """Where a row stands on an axis of `AXES`."""
    value: Mapping[str, float | None] = {"latency": row.p50_ms, "parameters": row.parameters, "bytes": row.bytes / 1e6}
    return value[axis]


def front(rows: Sequence[Row], axis: str) -> list[Row]:
    """Rows that no other beats on both: nothing as cheap is more accurate. Cheapest first."""
    placed = [(along(row, axis), row.miou5, row) for row in rows]
    known = sorted(((x, y, row) for x, y, row in placed if x and y is not None), key=lambda item: (item[0], -item[1]))
    kept: list[Row] = []
    best = -1.0
    for _, accuracy, row in known:
        if accuracy > best:
            kept.append(row)
            best = accuracy
    return kept


def pareto_chart(rows: Sequence[Row], axis: str, titles: Mapping[str, str]) -> go.Figure:
    """A point a row, a colour a model, a symbol a runtime; the front as a line. Points carry the model's name."""
    figure = go.Figure()
    line = front(rows, axis)
    figure.add_scatter(
        x=[along(row, axis) for row in line],
        y=[100 * (row.miou5 or 0) for row in line],
        mode="lines",
        line={"color": "#8a8a8a", "dash": "dot", "shape": "hv"},
        hoverinfo="skip",
        showlegend=False,
    )
    for index, model in enumerate(dict.fromkeys(row.model for row in rows)):
        own = [row for row in rows if row.model == model and row.miou5 is not None and along(row, axis)]
        figure.add_scatter(
            x=[along(row, axis) for row in own],
            y=[100 * (row.miou5 or 0) for row in own],
            customdata=[model] * len(own),
            text=[in_chart(runtime_title(row.runtime)) for row in own],
            name=in_chart(titles.get(model, model)),
            mode="markers",
            marker={
                "size": 13,
                "color": _COLOURS[index % len(_COLOURS)],
                "symbol": [runtime_symbol(r.runtime) for r in own],
            },
            hovertemplate="%{fullData.name}, %{text}<br>%{x:.3g} · %{y:.1f} %<extra></extra>",
        )
    figure.update_layout(
        height=380,
        margin={"l": 8, "r": 8, "t": 48, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        uirevision="kept",
        clickmode="event+select",
    )
    costs = [value for row in rows if row.miou5 is not None and (value := along(row, axis))]
    log_axis(figure, costs, AXES[axis])
    figure.update_yaxes(title_text="mIoU (%)", automargin=True)
    return figure
