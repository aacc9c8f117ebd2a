"""A search in pictures: front, curves, what mattered, all settings at once, and maps of a grid. Pure: rows in."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import sample_colorscale

from app.services.names import in_chart
from app.services.plots import log_axis
from app.services.searches import Trial, by_settings, front, spread, title_of

_GREEN, _ORANGE, _VIOLET, _GREY = "#2a9479", "#d9782d", "#7c7ce0", "#8a8a8a"
MOST_CURVES, MOST_LINES = 150, 400
"""So many trials are drawn as curves, and as lines over all settings: the best and the newest of them."""
_MOST_SHAPES = 3000
_SCALE = "Viridis"
_POINTS = "trial %{customdata}: %{x:.4g} · %{y:.1f} %<extra></extra>"


def front_chart(trials: Sequence[Trial], cost: str, title: str, *, fits: Mapping[int, bool]) -> go.Figure:
    """A point for each finished trial, accuracy against cost; those that miss a limit are hollow."""
    figure = go.Figure()
    line = front([trial for trial in trials if fits.get(trial.number)], cost)
    figure.add_scatter(
        x=[trial.value(cost) for trial in line],
        y=[100 * (trial.miou or 0) for trial in line],
        mode="lines",
        line={"color": _GREY, "dash": "dot", "shape": "hv"},
        hoverinfo="skip",
        showlegend=False,
    )
    done = [trial for trial in trials if trial.miou is not None and trial.value(cost) is not None]
    for good, name, symbol in ((True, "meets the limits", "circle"), (False, "misses a limit", "circle-open")):
        own = [trial for trial in done if bool(fits.get(trial.number)) == good]
        if own:
            _add_points(
                figure,
                x=np.array([trial.value(cost) for trial in own], dtype=float),
                y=np.array([100 * (trial.miou or 0) for trial in own], dtype=float),
                customdata=np.array([trial.number for trial in own]),
                mode="markers",
                name=in_chart(name),
                marker={"size": 9, "color": _GREEN if good else _ORANGE, "symbol": symbol},
                hovertemplate=_POINTS,
            )
    costs = [value for trial in done if (value := trial.value(cost))]
    log_axis(figure, costs, title)
    figure.update_yaxes(title_text="Validation mIoU (%)", automargin=True)
    return _framed(figure, clickmode="event+select")


def _add_points(figure: go.Figure, *, x: Sequence[Any] | NDArray[Any], **trace: Any) -> None:
    """Points as shapes, which every browser draws; so many that it would be slow are left to the graphics card."""
    add = figure.add_scatter if len(x) <= _MOST_SHAPES else figure.add_scattergl
    add(x=x, **trace)


def curve_chart(trials: Sequence[Trial]) -> go.Figure:
    """Scores over epochs, a line a trial; those that were stopped early end where they were."""
    figure = go.Figure()
    groups = {
        "done": (_GREEN, "finished"),
        "pruned": (_ORANGE, "stopped early"),
        "": (_VIOLET, "under way"),
        "failed": (_GREY, "failed"),
    }
    for told, (colour, name) in groups.items():
        xs: list[float | None] = []
        ys: list[float | None] = []
        texts: list[str] = []
        for trial in trials:
            if trial.told == told and trial.curve:
                xs += [*(epoch for epoch, _ in trial.curve), None]
                ys += [*(100 * miou for _, miou in trial.curve), None]
                texts += [f"trial {trial.number}"] * (len(trial.curve) + 1)
        if xs:
            _add_points(
                figure,
                x=xs,
                y=ys,
                text=texts,
                mode="lines+markers",
                name=in_chart(name),
                line={"color": colour, "width": 1},
                marker={"size": 3},
                hovertemplate="%{text}, epoch %{x}: %{y:.1f} %<extra></extra>",
            )
    figure.update_xaxes(title_text="Epoch", rangemode="tozero")
    figure.update_yaxes(title_text="Validation mIoU (%)", automargin=True)
    return _framed(figure)


def importance_chart(shares: Mapping[str, float]) -> go.Figure:
    """A bar for each setting, the one that decides most on top."""
    ordered = sorted(shares.items(), key=lambda item: item[1])
    figure = go.Figure()
    figure.add_bar(
        x=[100 * share for _, share in ordered],
        y=[in_chart(title_of(name)) for name, _ in ordered],
        orientation="h",
        marker={"color": _GREEN},
        hovertemplate="%{x:.0f} %<extra></extra>",
    )
    figure.update_xaxes(title_text="Share of the difference (%)", rangemode="tozero")
    figure.update_yaxes(automargin=True)
    return _framed(figure, height=80 + 34 * max(3, len(ordered)))


def parallel_chart(trials: Sequence[Trial]) -> go.Figure:
    """A line for each finished trial over all settings that they share, coloured by score."""
    done = [trial for trial in trials if trial.miou is not None]
    names = [name for name in (done[0].params if done else {}) if all(name in trial.params for trial in done)]
    dimensions = [_dimension(name, [trial.params[name] for trial in done]) for name in names]
    scores = [100 * (trial.miou or 0) for trial in done]
    dimensions.append({"label": "mIoU (%)", "values": scores})
    figure = go.Figure()
    figure.add_parcoords(
        dimensions=dimensions,
        line={"color": scores, "colorscale": _SCALE, "showscale": False},
        labelfont={"size": 12},
    )
    return _framed(figure, height=330, margin={"l": 70, "r": 40, "t": 56, "b": 16})


def _dimension(name: str, values: Sequence[Any]) -> dict[str, Any]:
    label = in_chart(title_of(name))
    if any(isinstance(value, str | bool) for value in values):
        texts = sorted({str(value) for value in values}, key=_natural)
        places = [texts.index(str(value)) for value in values]
        return {
            "label": label,
            "values": places,
            "tickvals": list(range(len(texts))),
            "ticktext": list(map(in_chart, texts)),
        }
    return {"label": label, "values": list(values)}


def _natural(text: str) -> tuple[Any, ...]:
    """compact 2 before compact 12."""
    return tuple(int(part) if part.isdecimal() else 0 for part in text.split()), text


def heat_map(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Mean score by temperature and alpha, with half the distance between the least and the most of the seeds."""
    scores = by_settings(rows, "temperature", "alpha")
    temperatures = sorted({key[0] for key in scores})
    alphas = sorted({key[1] for key in scores})
    means: list[list[float | None]] = []
    words: list[list[str]] = []
    for alpha in alphas:
        found = [scores.get((temperature, alpha)) for temperature in temperatures]
        means.append([None if values is None else 100 * spread(values)[0] for values in found])
        words.append(["" if values is None else _with_spread(values) for values in found])
    columns, lines = [f"{temperature:g}" for temperature in temperatures], [f"{alpha:g}" for alpha in alphas]
    figure = go.Figure()
    figure.add_heatmap(
        x=columns,
        y=lines,
        z=means,
        text=words,
        colorscale=_SCALE,
        colorbar={"title": "mIoU (%)"},
        hovertemplate="temperature %{x}, alpha %{y}: %{text}<extra></extra>",
    )
    _write_on(figure, columns, lines, means, words)
    figure.update_xaxes(title_text="Temperature", type="category")
    figure.update_yaxes(title_text="Alpha (share of the labels)", type="category", automargin=True)
    return _framed(figure)


def _write_on(
    figure: go.Figure,
    columns: Sequence[str],
    lines: Sequence[str],
    values: Sequence[Sequence[float | None]],
    words: Sequence[Sequence[str]],
) -> None:
    """Write words on the cells of a heat map, each in black or white, whichever is told better from its cell.

    Plotly's own choice is white or a dark grey by brightness: on the greens in the middle neither can be read.
    """
    known = [value for line in values for value in line if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    cells = [
        (column, line, values[row][at], words[row][at])
        for row, line in enumerate(lines)
        for at, column in enumerate(columns)
    ]
    shown = [(*cell[:2], (cell[2] - low) / (high - low or 1.0), cell[3]) for cell in cells if cell[2] is not None]
    figure.add_scatter(
        x=[cell[0] for cell in shown],
        y=[cell[1] for cell in shown],
        text=[cell[3] for cell in shown],
        textfont={"color": [_ink(share) for _, _, share, _ in shown]},
        mode="text",
        hoverinfo="skip",
        showlegend=False,
    )


def _ink(share: float) -> str:
    """Black or white, whichever has the higher contrast (WCAG 2) with the colour of the scale at this share.

    The higher one is above 4.5 on every colour there is.
    """
    (cell,) = sample_colorscale(_SCALE, [share], colortype="tuple")
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in cell]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # Black has the higher contrast where (luminance + 0.05) / 0.05 is above 1.05 / (luminance + 0.05).
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"


def _with_spread(values: Sequence[float]) -> str:
    mean, half = spread(values)
    return f"{100 * mean:.1f}" if len(values) < 2 else f"{100 * mean:.1f} ± {100 * half:.1f}"


def size_chart(rows: Sequence[Mapping[str, Any]], parameters: Mapping[str, int]) -> go.Figure:
    """Score against parameters, with and without a teacher, with the spread over seeds."""
    figure = go.Figure()
    for taught, name, colour in ((True, "with a teacher", _GREEN), (False, "labels alone", _ORANGE)):
        scores = by_settings([{"taught": True, **row} for row in rows], "taught", "size")
        own = {key[1]: spread(values) for key, values in scores.items() if key[0] is taught and key[1] in parameters}
        sizes = sorted(own, key=lambda size: parameters[size])
        if sizes:
            figure.add_scatter(
                x=[parameters[size] for size in sizes],
                y=[100 * own[size][0] for size in sizes],
                error_y={"type": "data", "array": [100 * own[size][1] for size in sizes]},
                text=[in_chart(size) for size in sizes],
                name=in_chart(name),
                mode="lines+markers",
                line={"color": colour},
                hovertemplate="%{text}: %{y:.1f} %<extra></extra>",
            )
    log_axis(figure, list(parameters.values()), "Parameters")
    figure.update_yaxes(title_text="Validation mIoU (%)", automargin=True)
    return _framed(figure)


def _framed(figure: go.Figure, *, height: int = 340, **more: Any) -> go.Figure:
    margin = {"l": 8, "r": 8, "t": 36, "b": 8}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    figure.update_layout(**{"height": height, "margin": margin, "legend": legend, "uirevision": "kept", **more})
    return figure
