"""How a dataset that a visitor brought is written: what still hinders it, the choices as JSON values, and its facts."""

from collections import Counter
from typing import Any

from app.services.import_report import (
    PARTS,
    Edits,
    ImportReport,
    cut_box,
    cut_pictures,
    edited,
    is_cut,
    kept,
    leaves_border,
    left_out,
    parts,
    renamed_proposal,
    wanted_colours,
    wanted_names,
)
from core.band_set import LEFT_OUT
from core.data.cut_blocks import margin_of
from core.errors import ConfigError


def problems(report: ImportReport, edits: Edits) -> list[str]:
    """Why the dataset cannot be saved yet, each in a sentence."""
    classes, _ = edited(report, edits)
    told = []
    if not edits.title.strip():
        told.append("Give the dataset a name.")
    if any(not name.strip() for name in edits.names.values()):
        told.append("Every class needs a name: write one, or ignore it.")
    if len(classes) < 2 and report.has_labels:
        told.append("A dataset needs two classes at least: take one back that is ignored, or part what is merged.")
    if len(classes) > 255:
        told.append(f"A dataset has 255 classes at most, and here are {len(classes)}: give some the same name.")
    bands = _wrong_bands(report, edits)
    if not report.has_labels:
        return [*(told[:1] if not edits.title.strip() else []), *bands]
    told += bands
    if is_cut(report, edits):
        told += _wrong_margin(report, edits)
    wanted = parts(report, edits)
    missing = [PARTS[part].lower() for part in ("train", "validate") if part not in wanted.values()]
    return told + [f"No labelled picture is left for {part}: bring more, or choose another split." for part in missing]


def _wrong_bands(report: ImportReport, edits: Edits) -> list[str]:
    from core.data.import_bands import band_set_of

    if edits.bands and all(name == LEFT_OUT for name in edits.bands):
        return ["No band is left: take one at least."]
    if any(not name.strip() for name in edits.bands):
        return ["Every band needs a name: write one, or leave the band out."]
    try:
        band_set_of(edits.bands, edits.shown, [each.depth for each in kept(report, edits)])
    except ConfigError as error:
        return list(error.problems)
    return []


def _wrong_margin(report: ImportReport, edits: Edits) -> list[str]:
    indices = renamed_proposal(report, edits).indices()
    try:
        for each in kept(report, edits):
            if each.labelled:
                margin_of(cut_box(each, indices), edits.margin)
    except ConfigError as error:
        return list(error.problems)
    return []


def choices_of(report: ImportReport, edits: Edits) -> dict[str, Any]:
    """How the dataset is written, as JSON values. Raises `ConfigError` with all that is wrong."""
    from core.data.import_process import choices_json
    from core.data.importing import MOST_RESAMPLE, ImportChoices

    if wrong := problems(report, edits):
        raise ConfigError(wrong)
    proposal = renamed_proposal(report, edits)
    return choices_json(
        ImportChoices(
            resample=MOST_RESAMPLE,
            skip=True,
            title=edits.title.strip(),
            licence=edits.licence.strip(),
            attribution=edits.attribution.strip(),
            names=wanted_names(report, edits),
            colours=wanted_colours(proposal, edits),
            leave_out=frozenset(left_out(report, edits)),
            parts={} if is_cut(report, edits) else parts(report, edits),
            blocks=is_cut(report, edits),
            leave_border=leaves_border(edits),
            margin=edits.margin if is_cut(report, edits) else None,
            bands=edits.bands,
            shown=edits.shown,
        )
    )


def facts_of(report: ImportReport, edits: Edits) -> dict[str, Any]:
    """What pages tell of the dataset without opening its pictures."""
    wanted, pictures = parts(report, edits), kept(report, edits)
    alone = sum(not each.labelled for each in pictures)
    pieces = (
        [(block.part, block.height, block.width) for _, block in cut_pictures(report, edits)]
        if is_cut(report, edits)
        else [(wanted[each.stem], each.height, each.width) for each in pictures if each.stem in wanted]
    )
    sizes = Counter((height, width) for part, height, width in pieces if part == "train")
    return {
        "pictures": len(pieces) + alone,
        "labelled": len(wanted),
        "parts": dict(Counter(wanted.values())),
        "train_sizes": [[*size, count] for size, count in sizes.items()],
        "validation_pixels": sum(height * width for part, height, width in pieces if part == "validate"),
    }
