"""What each colour of a mask means."""

from collections.abc import Sequence

import streamlit as st

from app.services.names import in_html


def legend(classes: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
    """A swatch and a name for each class, in a row that wraps."""
    swatch = "display:inline-block;width:0.8rem;height:0.8rem;border-radius:0.2rem;margin-right:0.35rem"
    entries = [
        f'<span><span style="{swatch};background:rgb{colour}"></span>{in_html(name)}</span>' for name, colour in classes
    ]
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:0.25rem 1rem;font-size:0.875rem">{"".join(entries)}</div>')


def split_bar(parts: Sequence[tuple[str, str, int]]) -> None:
    """A bar parted by how many there are of each, and below it a swatch, a title and the count of each.

    Args:
        parts: titles, colours as CSS writes them, and counts.
    """
    bars = [
        f'<span style="flex:{count};min-width:6px;background:{colour}"></span>' for _, colour, count in parts if count
    ]
    swatch = "display:inline-block;width:0.8rem;height:0.8rem;border-radius:0.2rem;margin-right:0.35rem"
    keys = [
        f'<span><span style="{swatch};background:{colour}"></span>{in_html(title)} {count:,}</span>'
        for title, colour, count in parts
    ]
    st.html(
        f'<div style="display:flex;height:1.1rem;border-radius:0.4rem;overflow:hidden;gap:2px">{"".join(bars)}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:0.25rem 1.2rem;font-size:0.875rem;margin-top:0.4rem">'
        f"{''.join(keys)}</div>"
    )
