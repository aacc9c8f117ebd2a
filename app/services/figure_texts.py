"""How a model's size, speed, scores and ratios are written: with the same digits on every page, in texts and in tables.

A text holds its unit. A table that can be sorted holds numbers, with the unit in the name of its column: `FORMATS` are
for `st.column_config.NumberColumn`, and give the digits that the texts have. app/web/numbers/report.mjs writes shares
in the same way.
"""

FORMATS = {"megabytes": "%.3g", "milliseconds": "%.1f", "percent": "%.1f %%", "times": "%.1f ×"}
"""By the unit of the numbers in the column; `percent` is 0 to 100."""


def size_of_model(count: float) -> str:
    """`0.512 MB`, `15.5 MB`: the bytes of a model's file, three digits of them, always in units of a million.

    Args:
        count: Bytes, 0 or more.
    """
    return f"{float(f'{count / 1e6:.3g}'):g} MB"


def latency(milliseconds: float) -> str:
    """`30.3 ms`: the time of one pass."""
    return f"{milliseconds:.1f} ms"


def share(fraction: float) -> str:
    """`75.4 %`: a score or an agreement.

    Args:
        fraction: From 0 to 1.
    """
    return f"{100 * fraction:.1f} %"


def times(factor: float) -> str:
    """`31.5 ×`: how many times smaller, faster or cheaper.

    Args:
        factor: Above 0; 1 means alike.
    """
    return f"{factor:.1f} ×"
