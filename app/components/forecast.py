"""What a student will be and cost, before anything is launched."""

import streamlit as st

from app.components import say
from app.services.artifacts import Model, short_count
from app.services.estimates import Pace, Size, likely
from app.services.figure_texts import size_of_model, times
from app.services.names import plain


def size_figures(size: Size, teacher: Model) -> None:
    """Parameters, MACs and bytes, each beside the teacher's."""
    rows = [
        (
            "Parameters",
            short_count(size.parameters),
            short_count(teacher.parameters),
            teacher.parameters / size.parameters,
        ),
        ("MACs, 256²", short_count(size.macs_256), short_count(teacher.macs_256), teacher.macs_256 / size.macs_256),
        ("Size", size_of_model(size.bytes), size_of_model(teacher.bytes), teacher.bytes / size.bytes),
    ]
    # The work of some models that were brought cannot be told.
    rows = [row for row in rows if row[-1] > 0]
    cells = [("", "Student", "Teacher", "Ratio")]
    cells += [(name, f"**{own}**", theirs, _times(factor)) for name, own, theirs, factor in rows]
    # Small, so that four columns fit beside the form on a laptop.
    head, *lines = ("| " + " | ".join(f":small[{cell}]" if cell else "" for cell in row) + " |" for row in cells)
    say.own_markup("\n".join([head, "|:--|--:|--:|--:|", *lines]))


def time_figures(seconds: float, pace: Pace, *, control: bool, seeds: int = 1) -> str:
    """Draw the time until all seeds and controls are done, and give what it rests on. `seconds` is one run's."""
    label = "Estimated time" if seeds == 1 else f"Estimated time, {seeds} seeds"
    if control:
        label += ", with control" if seeds == 1 else ", each with control"
    return total_time(label, seconds * seeds * (2 if control else 1), pace)


def total_time(label: str, seconds: float, pace: Pace) -> str:
    """Draw a time in all, in seconds, and give what it rests on, which may stand further down."""
    low, high = (duration(one) for one in likely(seconds, pace))
    st.metric(plain(label), plain(high if low == high else f"{low} to {high}"))
    note = f"From steps timed on this machine ({pace.device}, {pace.crop} × {pace.crop} pixels). "
    if low == high:
        note += "Other work on it makes training slower."
    else:
        note += f"Others kept {100 * pace.busy:.0f} % of it busy: the first time is without them, the second with them."
    return note


def loss_cost(seconds: float, *, soft_targets: float, step: float) -> str:
    """`× 1.0, +3 % of a step`: beside the time of soft targets, and of a step of the student without its teacher."""
    factor, share = seconds / soft_targets, 100 * seconds / step
    times = f"× {factor:.1f}" if factor >= 0.1 else f"× {factor:.2f}"
    return f"{times}, +{share:.0f} % of a step" if share >= 1 else f"{times}, under 1 % of a step"


def duration(seconds: float) -> str:
    """`40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 6000 else f"{minutes / 1440:.0f} days"


def _times(factor: float) -> str:
    return times(factor) if factor >= 1 else f"1 / {1 / factor:.1f}"
