"""The models of a comparison as a table: size, speed, agreement and scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.services.artifacts import Model
from app.services.inference import LATENCY_SIZE, Quality, Speed


def table_rows(
    models: Sequence[Model], qualities: Mapping[str, Quality], speeds: Mapping[str, Speed] | None
) -> list[dict[str, Any]]:
    """One row a model; the first model is the teacher that the ratios refer to."""
    reference = models[0]
    rows = []
    for model in models:
        quality = qualities[model.name]
        row: dict[str, Any] = {
            "Model": model.title,
            "Architecture": model.architecture,
            "Faster": ratio(speeds[reference.name].latency_ms, speeds[model.name].latency_ms) if speeds else None,
            "Smaller": ratio(reference.parameters, model.parameters),
            "Less work": ratio(reference.macs_256, model.macs_256),
            "Agreement": percent(quality.agreement),
        }
        if quality.per_class:
            row["mIoU"] = percent(quality.miou5)
            row |= {name: percent(value) for name, value in quality.per_class.items()}
        rows.append(row | _measures(model, speeds[model.name] if speeds else None))
    return rows


def _measures(model: Model, speed: Speed | None) -> dict[str, float | None]:
    """What the ratios are made of."""
    return {
        "Latency (ms)": speed and speed.latency_ms,
        "Latency p95 (ms)": speed and speed.p95_ms,
        "Throughput (MP/s)": speed and speed.megapixels_per_second,
        "Parameters (M)": model.parameters / 1e6,
        "MACs (G)": model.macs_256 / 1e9,
        "Size (MB)": model.bytes / 1e6,
    }


def score_table(models: Sequence[Model], qualities: Mapping[str, Quality], speeds: Mapping[str, Speed] | None) -> None:
    """Draw the table, and say what its figures rest on."""
    rows = table_rows(models, qualities, speeds)
    shares = ["Agreement", "mIoU", *sorted(_classes(qualities))]
    config: dict[str, Any] = {
        "Model": st.column_config.TextColumn(pinned=True),
        "Faster": st.column_config.NumberColumn(format="%.1f×", help="The teacher's latency divided by this model's."),
        "Smaller": st.column_config.NumberColumn(
            format="%.1f×", help="The teacher's parameters divided by this model's."
        ),
        "Less work": st.column_config.NumberColumn(format="%.1f×", help="The teacher's MACs divided by this model's."),
        "Latency (ms)": st.column_config.NumberColumn(format="%.1f", help="Median"),
        "Latency p95 (ms)": st.column_config.NumberColumn(format="%.1f", help="19 of 20 passes are faster"),
        "Throughput (MP/s)": st.column_config.NumberColumn(format="%.2f", help="Megapixels a second"),
        "Parameters (M)": st.column_config.NumberColumn(format="%.3f"),
        "MACs (G)": st.column_config.NumberColumn(format="%.3f"),
        "Size (MB)": st.column_config.NumberColumn(format="%.2f"),
    }
    config |= {name: st.column_config.NumberColumn(format="%.1f %%") for name in shares}
    st.dataframe(
        rows,
        hide_index=True,
        column_config=config,
        placeholder="–",
        alt="Size, speed and scores of the compared models",
    )
    st.caption(_footnote(speeds, known=bool(_classes(qualities))))


def percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def ratio(reference: float, value: float) -> float | None:
    return reference / value if value else None


def _classes(qualities: Mapping[str, Quality]) -> set[str]:
    return {name for quality in qualities.values() for name in quality.per_class}


def _footnote(speeds: Mapping[str, Speed] | None, *, known: bool) -> str:
    notes = [f"MACs and latency for one {LATENCY_SIZE} × {LATENCY_SIZE} picture."]
    if speeds:
        speed = next(iter(speeds.values()))
        notes.append(f"Latency: median of {speed.repeats} warm runs on {speed.device}, the models taking turns.")
        if speed.busy:
            notes.append("Measured while a run was training: slower than usual.")
    else:
        notes.append("Latency is being measured.")
    notes.append("Agreement: share of pixels with the teacher's class.")
    notes.append(
        "IoU on this image; unlabelled pixels are left out."
        if known
        else "No mask is known for this image, so there are no scores."
    )
    return " ".join(notes)
