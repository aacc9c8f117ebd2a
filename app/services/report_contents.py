"""What stands in a report: of a comparison, of a run, of a benchmark."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services import progress
from app.services.artifacts import Model
from app.services.benchmarks import Result, Row, runtime_title, timings
from app.services.inference import Quality
from app.services.palettes import Classes, Palette, painted, repainted
from app.services.plots import Series
from app.services.report import Pictures, Plot, ReportLegend, ReportPicture, Section, Table, render, settings_table
from app.services.runs import Run
from app.services.speeds import SIDE, Speed
from core import paths
from core.cards import load_card, resolve
from core.errors import CheckpointError

_LARGEST = 1024
_FIGURES = (
    f"Latency: one {SIDE} × {SIDE} picture, one thread of the processor. Agreement: pixels with the teacher's class."
)
_POINTS = "Every point is a file that was timed and scored as it is."


def of_comparison(
    *,
    picture_name: str,
    image: NDArray[np.uint8],
    truth: NDArray[np.uint8] | None,
    models: Sequence[Model],
    masks: Mapping[str, NDArray[np.uint8]],
    qualities: Mapping[str, Quality],
    speeds: Mapping[str, Speed] | None = None,
    palette: Palette,
) -> str:
    """One HTML file: the picture, the mask of each model (teacher first), their figures and their cards.

    `image` uint8 (H, W, 3), masks class indices (H, W) by model name, `truth` where it is known.
    """
    teacher = models[0]
    classes = painted(teacher.classes, palette)
    shown = [ReportPicture(_jpeg(image), picture_name, "jpeg")]
    if truth is not None:
        shown.append(ReportPicture(_mask_png(truth, classes), "Known mask"))
    shown += [ReportPicture(_mask_png(masks[model.name], classes), model.title) for model in models]
    rows = [_comparison_row(model, teacher, qualities[model.name], speeds) for model in models]
    sections = [
        Section("Masks", [Pictures(shown), ReportLegend(classes)]),
        Section("Figures", [Table(rows, _FIGURES)]),
        *_cards([model.name for model in models]),
    ]
    return render(f"{', '.join(m.title for m in models[1:]) or teacher.title} on {picture_name}", sections)


def of_run(run: Run, *, palette: Palette, owner: str | None = None) -> str:
    """One HTML file: settings, curves, the preview and the student's card."""
    found = progress.read_progress(run.id)
    losses = [name for name in dict.fromkeys(key for row in found.losses for key in row) if name != "epoch"]
    curves = [Series(name, [(row["epoch"], row[name]) for row in found.losses if name in row]) for name in losses]
    score = Series("Validation mIoU", [(row["epoch"], 100 * row["miou5"]) for row in found.scores])
    facts = {
        "Student": run.student,
        "Teacher": run.teacher or "none",
        "Dataset": run.config.data.dataset,
        "State": run.state,
        "Best validation mIoU (%)": None if run.best_miou5 is None else 100 * run.best_miou5,
        "Teacher's mIoU (%)": None if run.teacher_miou5 is None else 100 * run.teacher_miou5,
        "Training (s)": run.train_seconds,
    }
    sections = [
        Section("Result", [Table([{"": name, "Value": value} for name, value in facts.items()])]),
        Section("Curves", [Plot("Validation", [score], "Epoch", "mIoU (%)"), Plot("Losses", curves, "Epoch", "Loss")]),
        *_preview(run, palette, owner),
        Section("Settings", [settings_table(_config(run.id))]),
        *_cards([run.id]),
    ]
    return render(f"Run {run.name}", sections, subtitle=run.id)


def of_benchmark(result: Result, rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """One HTML file: ratios, times, accuracy against latency, the machine, the settings and the cards."""
    models = list(dict.fromkeys(row.model for row in rows))
    points = [_points(titles.get(model, model), [row for row in rows if row.model == model]) for model in models]
    table = Table([_benchmark_row(row, titles) for row in rows], "± is half the 95 % interval of the median.")
    plot = Plot(
        "Every point is a file that was timed and scored as it is.", points, "Latency (ms)", "mIoU (%)", log_x=True
    )
    sections = [
        Section("What it costs to run", [table]),
        Section("Accuracy against latency", [plot]),
        Section("Machine", [settings_table({**result.machine, "load before": result.load_before})]),
        Section("Settings", [settings_table(result.plan.to_json())]),
        *_cards(models),
    ]
    return render("Benchmark", sections, subtitle=f"{result.id} · {result.scored_on or 'not scored'}")


def _points(name: str, rows: Sequence[Row]) -> Series:
    known = [row for row in rows if row.p50_ms is not None and row.miou5 is not None]
    points = [(row.p50_ms or 0.0, 100 * (row.miou5 or 0.0)) for row in known]
    return Series(name, points, line=False, labels=[f"{name}, {runtime_title(row.runtime)}" for row in known])


def _benchmark_row(row: Row, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Model": titles.get(row.model, row.model),
        "Runtime": runtime_title(row.runtime),
        "Pictures": f"{row.batch} × {row.size}²",
        "Threads": row.threads,
        "Faster (×)": row.faster,
        "Smaller file (×)": row.smaller,
        "mIoU (%)": None if row.miou5 is None else 100 * row.miou5,
        **timings(row),
        "Memory (MB)": row.peak_memory_mb,
        "File (MB)": row.bytes / 1e6,
        "Note": row.problem or "",
    }


def _comparison_row(
    model: Model, teacher: Model, quality: Quality, speeds: Mapping[str, Speed] | None
) -> dict[str, Any]:
    speed, reference = (None, None) if not speeds else (speeds.get(model.name), speeds.get(teacher.name))
    row: dict[str, Any] = {
        "Model": model.title,
        "Architecture": model.architecture,
        "Smaller (×)": teacher.parameters / model.parameters if model.parameters else None,
        "Faster (×)": reference.latency_ms / speed.latency_ms if speed and reference else None,
        "Latency (ms)": speed.latency_ms if speed else None,
        "p95 (ms)": speed.p95_ms if speed else None,
        "Mpx/s": speed.megapixels_per_second if speed else None,
        "Parameters (M)": model.parameters / 1e6,
        "Agreement (%)": None if quality.agreement is None else 100 * quality.agreement,
    }
    if quality.per_class:
        row["mIoU (%)"] = None if quality.miou5 is None else 100 * quality.miou5
        row |= {f"{name} (%)": None if iou is None else 100 * iou for name, iou in quality.per_class.items()}
    return row


def _preview(run: Run, palette: Palette, owner: str | None) -> list[Section]:
    found = progress.read_preview(run.id, run.config.data, owner)
    if found is None:
        return []
    last = max(found.epochs)
    masks = {"Known mask": found.truth, f"Student after epoch {last}": found.epochs[last]}
    pictures = [ReportPicture(found.image.read_bytes(), "Image")]
    pictures += [
        ReportPicture(repainted(file.read_bytes(), found.classes, palette), name) for name, file in masks.items()
    ]
    legend = ReportLegend(painted(found.classes, palette))
    return [Section("Preview on a validation image", [Pictures(pictures), legend])]


def _cards(names: Sequence[str]) -> list[Section]:
    """The model cards that can be read; a run that is young has none."""
    found = []
    for name in names:
        try:
            card = load_card(resolve(name, runs=paths.home()))
        except CheckpointError:
            continue
        found.append(Section(f"Model card: {card.name}", [settings_table(json.loads(card.to_json()))]))
    return found


def _config(run_id: str) -> dict[str, Any]:
    try:
        data = json.loads((paths.home() / run_id / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _shrunk(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    step = -(-max(array.shape[:2]) // _LARGEST)
    return np.ascontiguousarray(array[::step, ::step])


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_shrunk(image)).save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def _mask_png(mask: NDArray[np.uint8], classes: Classes) -> bytes:
    from core.image import encode_png

    colours = np.zeros((256, 3), np.uint8)
    for index, (_, colour) in enumerate(classes):
        colours[index] = colour
    return encode_png(colours[_shrunk(mask)])
