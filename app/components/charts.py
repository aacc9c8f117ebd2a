"""Rows in, plotly figures out. Pure: no disk, no Streamlit."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.services.names import in_chart
from core.losses.catalogue import LOSSES

# Mid-tones that stand on a light and on a dark page alike, and apart from each other; lines on features are dashed.
_GREEN, _ORANGE, _VIOLET = "#2a9479", "#d9782d", "#7c7ce0"
_CURVES = {"Student": _GREEN, "Control": _ORANGE}
_LABEL_TERMS = {"cross_entropy": ("Cross-entropy (labels)", _GREEN), "dice": ("Dice (labels)", _ORANGE)}
_HEIGHT, _ENTRIES_ABOVE = 300, 2


def loss_terms() -> dict[str, tuple[str, str]]:
    """Title and colour of every term of a loss by its name: those on labels, then the catalogue's."""
    return _LABEL_TERMS | {loss.name: (f"{loss.title} (teacher)", loss.colour) for loss in LOSSES.values()}


def loss_chart(rows: Sequence[Mapping[str, float]]) -> go.Figure:
    """Loss terms over epochs, each smoothed so that its trend shows."""
    found = dict.fromkeys(name for row in rows for name in row if name != "epoch")
    known = loss_terms()
    names = [name for name in known if name in found] + [name for name in found if name not in known]
    figure = go.Figure()
    for name in names:
        title, colour = known.get(name, (name.replace("_", " ").capitalize(), None))
        on_features = name in LOSSES and LOSSES[name].on_features
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        figure.add_scatter(
            x=[at for at, _ in points],
            y=smoothed([value for _, value in points]),
            name=in_chart(title),
            mode="lines",
            line={"color": colour, "dash": "dash" if on_features else "solid"},
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
            name=in_chart(name),
            line={"color": _CURVES.get(name)},
            mode="lines+markers" if len(rows) < 30 else "lines",
            hovertemplate="epoch %{x}: %{y:.1f} %",
        )
    if teacher is not None:
        level = [100 * teacher] * 2
        figure.add_scatter(
            x=[0, last],
            y=level,
            name=in_chart(teacher_name),
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
            "text": in_chart(title),
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
