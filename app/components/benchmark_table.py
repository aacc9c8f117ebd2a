"""The rows of a benchmark as a table: ratios first, because they hold on other machines too."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.components import say
from app.services.benchmarks import Result, Row, runtime_title, timings
from app.services.figure_texts import FORMATS
from app.services.speeds import KEPT

_MISSING = "–"


def table_rows(rows: Sequence[Row], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Plain values, one dictionary a row; columns that no row fills are left out."""
    found = [
        {
            "Model": titles.get(row.model, row.model),
            "Runtime": runtime_title(row.runtime),
            "Faster": row.faster,
            "Smaller file": row.smaller,
            "mIoU": None if row.miou5 is None else 100 * row.miou5,
            **timings(row),
            "Cold start (s)": None if row.cold_ms is None else row.cold_ms / 1000,
            "Memory (MB)": row.peak_memory_mb,
            "GPU memory (MB)": row.device_memory_mb,
            "Joules/Mpx": row.joules_per_megapixel,
            "Parameters (M)": row.parameters / 1e6 if row.parameters else None,
            "MACs (G), 256²": row.macs / row.batch * (256 / row.size) ** 2 / 1e9 if row.macs else None,
            "File (MB)": row.bytes / 1e6 if row.bytes else None,
            "Why not": row.problem,
        }
        for row in rows
    ]
    filled = [name for name in (found[0] if found else {}) if any(row[name] is not None for row in found)]
    return [{name: row[name] for name in filled} for row in found]


def benchmark_table(rows: Sequence[Row], titles: Mapping[str, str]) -> None:
    number = st.column_config.NumberColumn
    say.table(
        table_rows(rows, titles),
        hide_index=True,
        column_config={
            "Model": st.column_config.TextColumn(pinned=True),
            "Faster": number(
                format=FORMATS["times"], help="The teacher's median in its first runtime, divided by this one."
            ),
            "Smaller file": number(format=FORMATS["times"], help="The teacher's file divided by this one."),
            "mIoU": number(format=FORMATS["percent"], help="Of this very file on the labelled images."),
            "Median (ms)": number(format=FORMATS["milliseconds"], help="From a picture's bytes to its logits."),
            "± (%)": number(format="%.1f", help="Half the 95 % interval of the median."),
            "p95 (ms)": number(format=FORMATS["milliseconds"]),
            "Processor (ms)": number(
                format=FORMATS["milliseconds"],
                help="Processor's time, all threads together: it does not grow when others work here.",
            ),
            "Mpx/s": number(format="%.2f"),
            "Cold start (s)": number(format="%.2f", help="From starting a process to its first answer."),
            "Memory (MB)": number(format="%.0f", help="Most that a process of its own took."),
            "GPU memory (MB)": number(format="%.0f"),
            "Joules/Mpx": number(format="%.2f"),
            "Parameters (M)": number(format="%.3g"),
            "MACs (G), 256²": number(format="%.3g"),
            "File (MB)": number(format=FORMATS["megabytes"]),
        },
        placeholder=_MISSING,
        alt="What each model costs to run in each runtime",
    )


def result_title(result: Result) -> str:
    """For menus: `24 Nov 20:53 · student, student-2`."""
    if result.id == KEPT:
        return "Figures that every page shows"
    began = datetime.datetime.fromtimestamp(result.created_at)
    return f"{began.strftime('%d %b %H:%M')} · {', '.join(result.plan.models)}"


def machine_line(result: Result) -> str:
    """`AMD EPYC 9B14, 2 cores, 16.8 GB · torch 2.15.0, onnxruntime 1.32.0 · scored on …`."""
    machine = result.machine
    parts = [f"{machine.get('processor', 'unknown processor')}, {machine.get('cores', '?')} cores"]
    if memory := machine.get("memory_gb"):
        parts[0] += f", {memory:g} GB"
    parts += machine.get("gpus", [])
    parts.append(", ".join(f"{name} {version}" for name, version in machine.get("packages", {}).items()))
    if result.scored_on:
        parts.append(f"scored on {result.scored_on}")
    return " · ".join(part for part in parts if part)


def busy_note(result: Result) -> str | None:
    """A warning where others worked on the machine when the benchmark began."""
    if result.load_before is None or result.load_before < 0.5:
        return None
    if result.id == KEPT:
        return "The machine was busy while some of this was measured: it is measured again when it is idle."
    return (
        f"The machine was busy (load {result.load_before:.1f} before it began): times are longer than on an idle one; "
        "the ratios hold better, because all models took turns."
    )
