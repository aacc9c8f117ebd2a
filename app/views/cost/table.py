"""Cost of a task by model and runtime: the one sentence that matters, then all of it."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app.components import say
from app.components.forecast import duration
from app.services.costs import Cost, Step
from app.services.figure_texts import FORMATS, times
from app.services.names import plain


def headline(rows: Sequence[Cost], teacher: str | None, titles: Mapping[str, str]) -> None:
    """The teacher as it was trained beside the cheapest other model."""
    reference = next((row for row in rows if row.model == teacher and row.cheaper == 1), None)
    best = next((row for row in rows if row.model != teacher), None)
    if reference is None or best is None or best.cheaper is None:
        return
    columns = st.columns(3)
    for column, row in zip(columns, (reference, best), strict=False):
        label = f"{titles.get(row.model, row.model)}, {row.runtime}: time for a year's maps"
        column.metric(plain(label), duration(3600 * row.hours))
    saved = f"{reference.price - best.price:,.2f} saved a year"
    columns[2].metric("Costs less", plain(times(best.cheaper)), plain(saved), delta_color="off", delta_arrow="off")


def step_table(found: Sequence[Step]) -> None:
    """Each reason by itself, so that distilling is not credited with what quantising does."""
    say.table(
        [{"What": step.title, "From → to": step.between, "Costs less": step.factor} for step in found],
        hide_index=True,
        column_config={"Costs less": st.column_config.NumberColumn(format=FORMATS["times"])},
        alt="What the saving is made of",
    )


def cost_table(rows: Sequence[Cost], titles: Mapping[str, str]) -> None:
    found = [
        {
            "Model": titles.get(row.model, row.model),
            "Runtime": row.runtime,
            "Costs less": row.cheaper,
            "Time": duration(3600 * row.hours),
            "Price": row.price,
            "Energy (kWh)": row.kilowatt_hours,
            "mIoU": None if row.miou5 is None else 100 * row.miou5,
        }
        for row in rows
    ]
    filled = [name for name in found[0] if any(row[name] is not None for row in found)] if found else []
    say.table(
        [{name: row[name] for name in filled} for row in found],
        hide_index=True,
        column_config={
            "Model": st.column_config.TextColumn(pinned=True),
            "Costs less": st.column_config.NumberColumn(
                format=FORMATS["times"], help="The teacher's price divided by this one."
            ),
            "Price": st.column_config.NumberColumn(format="%.2f"),
            "Energy (kWh)": st.column_config.NumberColumn(format="%.2f"),
            "mIoU": st.column_config.NumberColumn(format=FORMATS["percent"]),
        },
        placeholder="–",
        alt="Time and price of the task for each model and runtime",
    )
