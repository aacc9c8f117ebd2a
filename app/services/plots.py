"""Small plots as SVG, for what has to stand in a file alone, and round marks for axes, those of plotly too."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.services.names import in_chart, in_html

WIDTH, HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 34, 52
_COLOURS = ("#2a9479", "#d9782d", "#7c7ce0", "#b8860b", "#a0528d", "#3f7fb5", "#6b6b6b", "#ed5e9f")
_GREY, _INK = "#5d635f", "#1f2421"
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Series:
    """Points (x, y) under one name; joined by a line where `line`, else dots with a `label` each on hovering."""

    name: str
    points: Sequence[tuple[float, float]]
    line: bool = True
    labels: Sequence[str] = ()


def svg_plot(series: Sequence[Series], *, x_title: str, y_title: str, log_x: bool = False) -> str:
    """One `<svg>`; without points it says so."""
    shown = [one for one in series if one.points]
    if not shown:
        return (
            f'<svg viewBox="0 0 {WIDTH} 60" role="img"><text x="8" y="34" fill="{_GREY}">Nothing to plot.</text></svg>'
        )
    xs, ys = ([point[axis] for one in shown for point in one.points] for axis in (0, 1))
    x_ticks = log_ticks(min(xs), max(xs)) if log_x else ticks(min(xs), max(xs))
    y_ticks = ticks(min(ys), max(ys))
    place_x = _scale(x_ticks, _LEFT, WIDTH - _RIGHT, log=log_x)
    place_y = _scale(y_ticks, HEIGHT - _BOTTOM, _TOP, log=False)
    parts = [_grid(x_ticks, y_ticks, place_x, place_y), _titles(x_title, y_title)]
    parts += [_draw(one, _COLOURS[index % len(_COLOURS)], place_x, place_y) for index, one in enumerate(shown)]
    parts.append(_legend([one.name for one in shown]))
    name = in_html(f"{y_title} against {x_title}")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{name}" '
        f'font-family="system-ui, sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


def ticks(low: float, high: float, *, about: int = 6) -> list[float]:
    """Round numbers from at most `low` to at least `high`, evenly spaced."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in _STEPS if step * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def round_log_ticks(low: float, high: float, *, gap: float = 0.12) -> list[float]:
    """Round numbers within `low` to `high` (both above 0) for a logarithmic axis, at least 2.

    As many as there is room for: neighbours are `gap` of the axis apart. In wide ranges 1-2-5 or 1-3 steps or powers
    of ten, in narrow ones evenly spaced numbers.
    """
    first, last = math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2
    by_powers = [
        [step * 10.0**power for power in range(first, last, every) for step in steps]
        for steps, every in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3), ((1,), 5))
    ]
    even = [ticks(low, high, about=about) for about in (5, 4, 3, 2)]
    narrow = high / low < 5
    tried = [
        [mark for mark in marks if low <= mark <= high] for marks in ([*even, *by_powers] if narrow else by_powers)
    ]
    length = math.log10(high / low)

    def apart(marks: Sequence[float]) -> bool:
        return all(math.log10(after / before) >= gap * length for before, after in itertools.pairwise(marks))

    return next((marks for marks in tried if len(marks) >= 2 and apart(marks)), log_ticks(low, high))


def log_axis(figure: go.Figure, values: Sequence[float], title: str) -> None:
    """A logarithmic x axis with a few round numbers, written out: plotly's own are single digits that overlap."""
    low, high = (min(values) / 1.3, max(values) * 1.3) if values else (1.0, 10.0)
    marks = round_log_ticks(low, high)
    figure.update_xaxes(
        title_text=in_chart(title),
        type="log",
        automargin=True,
        range=[math.log10(low), math.log10(high)],
        tickvals=marks,
        ticktext=[short_number(mark) for mark in marks],
        tickangle=0,
    )


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten around `low` to `high`, both above 0."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    all_ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    below = max(tick for tick in all_ticks if tick <= low * 1.000001)
    above = min(tick for tick in all_ticks if tick >= high * 0.999999)
    found = [tick for tick in all_ticks if below <= tick <= above]
    return found if len(found) > 1 else [below, 2 * below]


def _scale(marks: Sequence[float], start: float, end: float, *, log: bool) -> Callable[[float], float]:
    put = math.log10 if log else float
    first, last = put(marks[0]), put(marks[-1])
    return lambda value: start + (put(value) - first) / (last - first) * (end - start)


def _grid(
    x_ticks: Sequence[float], y_ticks: Sequence[float], x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    parts = []
    for tick in x_ticks:
        at = f"{x(tick):.1f}"
        parts.append(f'<line x1="{at}" x2="{at}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" stroke="#ece8de"/>')
        below = HEIGHT - _BOTTOM + 17
        parts.append(f'<text x="{at}" y="{below}" text-anchor="middle" fill="{_GREY}">{short_number(tick)}</text>')
    for tick in y_ticks:
        at = f"{y(tick):.1f}"
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}" stroke="#ece8de"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{at}" dy="4" text-anchor="end" fill="{_GREY}">{short_number(tick)}</text>'
        )
    return "".join(parts)


def _titles(x_title: str, y_title: str) -> str:
    middle = (_TOP + HEIGHT - _BOTTOM) / 2
    below, left = f'x="{(WIDTH + _LEFT) / 2}" y="{HEIGHT - 12}"', f'transform="translate(16 {middle}) rotate(-90)"'
    style = f'text-anchor="middle" fill="{_INK}"'
    return f"<text {below} {style}>{in_html(x_title)}</text><text {left} {style}>{in_html(y_title)}</text>"


def _draw(one: Series, colour: str, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    places = [(x(a), y(b)) for a, b in one.points]
    if one.line:
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    labels = [*one.labels, *[one.name] * len(places)]
    return "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="6" fill="{colour}"><title>{in_html(label)}</title></circle>'
        for (a, b), label in zip(places, labels, strict=False)
    )


def _legend(names: Sequence[str]) -> str:
    parts, left = [], float(_LEFT)
    for index, name in enumerate(names):
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(f'<rect x="{left:.0f}" y="10" width="11" height="11" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{left + 16:.0f}" y="20" fill="{_INK}">{in_html(name)}</text>')
        left += 36 + 6.6 * len(name)
    return "".join(parts)


def short_number(value: float) -> str:
    """`1.5 M` for 1,500,000; `20 k`, `0.3`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g} {unit}"
    return f"{value:g}"
