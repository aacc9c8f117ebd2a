"""Rows in, plotly figures out. Pure: no disk, no Streamlit."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.services.figure_texts import share
from app.services.names import in_chart
from core.losses.catalogue import LOSSES

# Mid-tones that stand on a light and on a dark page alike, and apart from each other; lines on features are dashed.
_GREEN, _ORANGE, _VIOLET = "#2a9479", "#d9782d", "#7c7ce0"
_CURVES = {"Student": _GREEN, "Control": _ORANGE}
_LABEL_TERMS = {
    "cross_entropy": ("Cross-entropy (labels)", _GREEN),
    "dice": ("Dice (labels)", _ORANGE),
    "consistency": ("Consistency (averaged copy)", "#2255ff"),
}
_HEIGHT, _ENTRIES_ABOVE, _LONGEST_TICK, _MOST_MARKS = 300, 2, 18, 12
# Of four quarters of runs, the worst first.
_QUARTERS = ("rgba(128,128,128,.25)", "rgba(128,128,128,.45)", "rgba(42,148,121,.4)", "rgba(42,148,121,.8)")


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


def parallel_chart(
    columns: Sequence[tuple[str, Sequence[float | str]]], names: Sequence[str], score: Sequence[float]
) -> go.Figure:
    """One line a run across upright axes of settings and results: the higher its `score`, the greener; the best orange.

    Drawn as SVG: plotly's own parallel coordinates need WebGL, which not every browser has.
    """
    axes = [_axis(values) for _, values in columns]
    figure = go.Figure()
    for title, colour, width, lines in _groups(score):
        figure.add_scatter(
            x=[at for _ in lines for at in (*range(len(axes)), None)],
            y=[height for line in lines for height in (*(heights[line] for heights, _ in axes), None)],
            text=[
                in_chart(text)
                for line in lines
                for text in (*(_said(names[line], columns, line, at) for at in range(len(axes))), "")
            ],
            name=in_chart(title),
            mode="lines",
            line={"color": colour, "width": width},
            hoverinfo="text",
        )
    for at, ((title, _), (_, marks)) in enumerate(zip(columns, axes, strict=True)):
        figure.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, line={"color": "rgba(128,128,128,.5)", "width": 1})
        figure.add_annotation(x=at, y=1.12, text=f"<b>{in_chart(title)}</b>", showarrow=False)
        for height, text in marks:
            # Above the height that it names, so that a level line does not strike it through.
            place = {"xshift": 4, "xanchor": "left", "yshift": 9}
            figure.add_annotation(x=at, y=height, text=in_chart(_shortened(text)), showarrow=False, **place)
    figure.update_layout(height=360, margin={"l": 24, "r": 84, "t": 16, "b": 8}, hovermode="closest")
    figure.update_layout(legend={"orientation": "h", "y": -0.04, "yanchor": "top"})
    figure.update_xaxes(visible=False, range=[-0.1, len(axes) - 1 + 0.1])
    return figure.update_yaxes(visible=False, range=[-0.06, 1.2])


def _axis(values: Sequence[float | str]) -> tuple[list[float], list[tuple[float, str]]]:
    """Where each value stands on its axis, 0 to 1, and the marks beside it: texts in order, or the ends of numbers."""
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) == len(values):
        low, high = min(numbers), max(numbers)
        span = high - low
        marks = [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")] if span else [(0.5, f"{low:.4g}")]
        return [(number - low) / span if span else 0.5 for number in numbers], marks
    texts = sorted({str(value) for value in values})
    place = {text: at / (len(texts) - 1) if len(texts) > 1 else 0.5 for at, text in enumerate(texts)}
    marks = [(place[text], text) for text in texts] if len(texts) <= _MOST_MARKS else []
    return [place[str(value)] for value in values], marks


def _groups(score: Sequence[float]) -> list[tuple[str, str, float, list[int]]]:
    """Title, colour and width of the lines of each quarter of the runs, the best one last and on its own."""
    ordered = sorted(range(len(score)), key=lambda run: score[run])
    others, best = ordered[:-1], ordered[-1:]
    quarters = [others[len(others) * at // 4 : len(others) * (at + 1) // 4] for at in range(4)]
    found = [
        (_range(score[lines[0]], score[lines[-1]]), colour, 1.2, lines)
        for lines, colour in zip(quarters, _QUARTERS, strict=True)
        if lines
    ]
    return [*found, (f"Best, {share(score[best[0]] / 100)}", _ORANGE, 3.0, best)]


def _range(low: float, high: float) -> str:
    """`40.1 % to 52.0 %`, in per cent; one figure where both are written alike."""
    first, last = share(low / 100), share(high / 100)
    return first if first == last else f"{first} to {last}"


def _said(name: str, columns: Sequence[tuple[str, Sequence[float | str]]], run: int, at: int) -> str:
    title, values = columns[at]
    value = values[run]
    return f"{name}: {title} {value:g}" if isinstance(value, int | float) else f"{name}: {title} {value}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TICK else f"{text[: _LONGEST_TICK - 1]}…"


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
