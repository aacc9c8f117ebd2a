"""Temperature and alpha as a map, and size as a curve: of the chosen search, else those that come with the project."""

from dataclasses import replace

import streamlit as st

from app.components import say
from app.services import searches
from app.services.search_charts import heat_map, size_chart
from app.services.searches import Standing
from app.services.shipped_studies import ShippedStudy, shipped_study


def maps(found: Standing | None) -> None:
    """Draw both, as far as there are cells for them."""
    left, right = st.columns(2, gap="medium")
    with left:
        if (shown := _shown("map", ("temperature", "alpha"), found)) is not None:
            st.subheader("Temperature and alpha", anchor=False)
            st.plotly_chart(
                heat_map(shown.cells),
                key="search_map",
                config={"displayModeBar": False},
                alt="mIoU by temperature and alpha",
            )
            _say(shown)
    with right:
        if (shown := _shown("sizes", ("taught", "size"), found)) is not None:
            st.subheader("Student size", anchor=False)
            st.plotly_chart(
                size_chart(shown.cells, shown.parameters),
                key="search_size_curve",
                config={"displayModeBar": False},
                alt="mIoU by parameters, with and without a teacher",
            )
            _say(shown)


def _say(shown: ShippedStudy) -> None:
    """What a chart is of, and below it, ready to be copied, what made it."""
    say.caption(*shown.told)
    if shown.command:
        st.code(shown.command, language=None, wrap_lines=True)


def _shown(kind: str, names: tuple[str, ...], found: Standing | None) -> ShippedStudy | None:
    """The chosen search, where it is a grid over these settings; else what comes with the project."""
    if found is not None and found.plan.sampler == "grid" and all(found.plan.axis(name) for name in names):
        own = searches.cells(found.trials)
        told = f"From {len(own)} runs of {found.search.name}; ± is half the distance between its seeds."
        if own:
            return ShippedStudy(own, {size: one.parameters for size, one in found.figures.items()}, [told], "")
    shipped = shipped_study(kind)
    return None if shipped is None else replace(shipped, told=["Comes with the project.", *shipped.told])
