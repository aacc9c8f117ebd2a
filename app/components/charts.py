"""Rows in, plotly figures out. Pure: no disk, no Streamlit."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.services.ways import WAYS

# Mid-tones that stand on a light and on a dark page alike, and apart from each other; lines on features are dashed.
_GREEN, _ORANGE, _VIOLET = "#2a9479", "#d9782d", "#7c7ce0"
_CURVES = {"Student": _GREEN, "Control": _ORANGE}
COLOURS = {
    "cross_entropy": _GREEN,
    "dice": _ORANGE,
    "soft_targets": _VIOLET,
    "standardised": "#ed5e9f",
    "channel_wise": "#1d92b9",
    "correlation": "#d31037",
    "boundary": "#786b10",
    "feature_channel_wise": "#449f10",
    "affinity": "#b910b9",
    "attention": "#6b6b6b",
    "hint": "#855e78",
    "masked_generation": "#929278",
}
TERMS = {"cross_entropy": "Cross-entropy (labels)", "dice": "Dice (labels)"}
TERMS |= {way.name: f"{way.title} (teacher)" for way in WAYS.values()}
_HEIGHT, _ENTRIES_ABOVE = 300, 2
_DASHED = {way.name for way in WAYS.values() if way.on_features}


def loss_chart(rows: Sequence[Mapping[str, float]]) -> go.Figure:
    """Loss terms over epochs, each smoothed so that its trend shows."""
    found = dict.fromkeys(name for row in rows for name in row if name != "epoch")
    names = [name for name in TERMS if name in found] + [name for name in found if name not in TERMS]
    figure = go.Figure()
    for name in names:
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        figure.add_scatter(
            x=[at for at, _ in points],
            y=smoothed([value for _, value in points]),
            name=TERMS.get(name, name.replace("_", " ").capitalize()),
            mode="lines",
            line={"color": COLOURS.get(name), "dash": "dash" if name in _DASHED else "solid"},
            hovertemplate="epoch %{x:.1f}: %{y:.3f}",
        )
    return _with_room(_framed(figure, "Loss, weighted"), entries=len(names))


def score_chart(
    curves: Mapping[str, Sequence[Mapping[str, float]]], *, teacher: float | None, teacher_name: str = "Teacher"
) -> go.Figure:
    """Validation mIoU in per cent over epochs, one line a run, and the teacher as a level."""
    figure = go.Figure()
    last = 1.0
    for name, rows in curves.items():
        epochs = [row["epoch"] for row in rows]
        last = max([last, *epochs])
        figure.add_scatter(
            x=epochs,
            y=[100 * row["miou5"] for row in rows],
            name=name,
            line={"color": _CURVES.get(name)},
            mode="lines+markers" if len(rows) < 30 else "lines",
            hovertemplate="epoch %{x}: %{y:.1f} %",
        )
    if teacher is not None:
        level = [100 * teacher] * 2
        figure.add_scatter(
            x=[0, last],
            y=level,
            name=teacher_name,
            mode="lines",
            line={"dash": "dash", "color": _VIOLET},
            hovertemplate="%{y:.1f} %",
        )
    return _framed(figure, "Validation mIoU (%)")


def smoothed(values: Sequence[float], *, keep: float = 0.85) -> list[float]:
    """Exponential mean without the pull towards zero at the start."""
    result, mean, weight = [], 0.0, 0.0
    for value in values:
        mean = keep * mean + (1 - keep) * value
        weight = keep * weight + (1 - keep)
        result.append(mean / weight)
    return result


def _with_room(figure: go.Figure, *, entries: int) -> go.Figure:
    """A legend of many entries stands below the axes, and the figure grows by what that takes."""
    if entries > _ENTRIES_ABOVE:
        figure.update_layout(
            height=_HEIGHT + 24 * (entries - _ENTRIES_ABOVE),
            legend={"y": -0.28, "yanchor": "top"},
            margin={"t": 36},
        )
        figure.update_xaxes(title_standoff=12)
    return figure


def _framed(figure: go.Figure, title: str) -> go.Figure:
    figure.update_layout(
        height=_HEIGHT,
        margin={"l": 8, "r": 8, "t": 56, "b": 8},
        title={
            "text": title,
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 6},
            "font": {"size": 14},
        },
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        uirevision="kept",
        hovermode="x unified",
    )
    figure.update_xaxes(title_text="Epoch", rangemode="tozero")
    figure.update_yaxes(automargin=True)
    return figure
