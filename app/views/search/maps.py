"""Temperature and alpha as a map, and size as a curve: of the chosen search, else those that come with the project."""

from typing import Any

import streamlit as st

from app.components import say
from app.services import searches
from app.services.search_charts import heat_map, size_chart
from app.services.searches import Standing


def maps(found: Standing | None) -> None:
    """Draw both, as far as there are cells for them."""
    own = [] if found is None else searches.cells(found.trials)
    left, right = st.columns(2, gap="medium")
    with left:
        rows, from_where = _rows("map", own, ("temperature", "alpha"), found)
        if rows:
            st.subheader("Temperature and alpha", anchor=False)
            st.plotly_chart(
                heat_map(rows), key="search_map", config={"displayModeBar": False}, alt="mIoU by temperature and alpha"
            )
            say.caption(from_where)
    with right:
        rows, from_where = _rows("sizes", own, ("taught", "size"), found)
        if rows:
            st.subheader("Student size", anchor=False)
            st.plotly_chart(
                size_chart(rows, searches.parameters_of(rows)),
                key="search_size_curve",
                config={"displayModeBar": False},
                alt="mIoU by parameters, with and without a teacher",
            )
            say.caption(from_where)


def _rows(
    kind: str, own: list[dict[str, Any]], names: tuple[str, ...], found: Standing | None
) -> tuple[list[Any], str]:
    """Rows that have these settings on a grid, and where they are from."""
    if found is not None and found.plan.sampler == "grid" and all(found.plan.axis(name) for name in names) and own:
        return own, f"From {len(own)} runs of {found.search.name}; ± is half the distance between its seeds."
    shipped = searches.shipped(kind)
    if shipped is None:
        return [], ""
    rows = shipped["cells"]
    return rows, f"Comes with the project: {shipped['about']} Made by `{shipped['command']}`."
