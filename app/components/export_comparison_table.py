"""Every export of one model in one table: bytes, time, agreement with PyTorch, and mIoU."""

from collections.abc import Mapping

import streamlit as st

from app.components import say
from app.services.artifacts import Model
from app.services.export_comparison import export_comparison


def export_comparison_table(models: Mapping[str, Model]) -> None:
    """Nothing where nothing was measured for the weights that are here."""
    found = export_comparison(models)
    if found is None:
        return
    with st.expander("Every export of one model", icon=":material/output:"):
        numbers = {"Processor, ms": "%.1f", "PyTorch's class, %": "%.3f", "mIoU, %": "%.2f"}
        columns = {name: st.column_config.NumberColumn(format=form) for name, form in numbers.items()}
        say.table(found.rows, hide_index=True, column_config=columns, alt="Every export of one model")
        say.caption(found.told)
