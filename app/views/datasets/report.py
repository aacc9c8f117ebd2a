"""What was found in a dataset that somebody brought: counts, what is odd, its classes, a preview, the split."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from app.components import say
from app.components.legend import split_bar
from app.services import import_choices, import_preview, import_report
from app.services.figure_texts import share
from app.services.import_report import PARTS, Edits, Found, ImportReport, MisfitSwitch, Part
from app.services.imports import Draft
from app.services.names import plain, shown
from app.views.datasets.bands import draw_bands
from app.views.datasets.kept import kept_key

_ROWS = 12
_NAMED = 4
_PREVIEW = 192
"""Widest pair of the preview, in CSS pixels: two fit beside each other in its column at 1280."""
_BAR = {"train": "#0e7c66", "validate": "#c2571a", "test": "#5b5bd6"}


def draw_report(draft: Draft) -> tuple[Edits | None, bool]:
    """Draw it. Gives what is to be saved once the button was pressed (else None), and whether it is shared."""
    report = draft.report()
    assert report is not None
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        say.header(draft.label, width="content")
        st.button(
            "Discard",
            key="dataset_discard",
            icon=":material/close:",
            help="Removes what was brought from the server; saved datasets stay.",
            on_click=draft.discard,
        )
    _counts(report)
    mended = _odd(draft, report)
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        if report.has_labels:
            names, ignored, colours = _classes(draft, report)
            below = st.container()
            edits = Edits(names=names, ignored=ignored, colours=colours, mended=mended)
        else:
            below = st.container()
            edits = Edits(mended=mended)
            _alone(report)
    with below:
        edits = draw_bands(draft, report, edits)
        if report.has_labels:
            edits = _split_choice(draft, report, edits)
            _split(report, edits)
    with right:
        _preview(report, edits)
    return _save(draft, report, edits)


def _counts(report: ImportReport) -> None:
    """Pictures, labels, sizes and ground resolution in a row."""
    labelled = sum(each.labelled for each in report.pictures)
    sizes = Counter((each.width, each.height) for each in report.pictures).most_common()
    metres = sorted({round(each.metres, 3) for each in report.pictures if each.metres})
    with st.container(horizontal=True, gap="large"):
        st.metric("Images", f"{len(report.pictures):,}", width="content")
        st.metric("With labels", f"{labelled:,}", width="content")
        st.metric("Sizes" if len(sizes) > 1 else "Size", plain(_size_text(sizes)), width="content")
        if metres:
            text = f"{metres[0]:g}" if len(metres) == 1 else f"{metres[0]:g} to {metres[-1]:g}"
            st.metric("Metres a pixel", plain(text), width="content")
    say.caption(f"Read as {report.title}.", *report.notes)


def _size_text(sizes: list[tuple[tuple[int, int], int]]) -> str:
    if len(sizes) <= 2:
        return " and ".join(f"{width} × {height}" for (width, height), _ in sizes)
    widths, heights = [size[0] for size, _ in sizes], [size[1] for size, _ in sizes]
    return f"{min(widths)} × {min(heights)} to {max(widths)} × {max(heights)}"


def _odd(draft: Draft, report: ImportReport) -> frozenset[str]:
    """What does not fit, with a switch for what can be mended. Gives the groups that are."""
    found = import_report.groups(report)
    alone = [each.stem for each in report.pictures if not each.labelled]
    if not found and not alone:
        return frozenset()
    mended = set()
    with st.container(border=True, gap="small"):
        say.titled("What is odd", mark=":material/rule:")
        for number, group in enumerate(found):
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                _sentence(f"{group.what}.", group.names)
                if group.border:
                    mended |= {group.key} if _leave_border(draft, group) else set()
                elif not group.resample:
                    say.caption("Left out", width="content")
                elif st.toggle(
                    "Resample",
                    key=kept_key(draft, f"mend_{number}", group.usual),
                    help="Fits each mask to its image, by the nearest pixel. Off: these images are left out.",
                ):
                    mended.add(group.key)
        if alone:
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                count = "1 image has" if len(alone) == 1 else f"{len(alone):,} images have"
                _sentence(f"{count} no labels.", alone)
                say.caption("Kept", width="content", help="A student learns what its teacher says of them.")
    draft.keep(**{f"mend_{number}": group.key in mended for number, group in enumerate(found) if group.resample})
    return frozenset(mended)


def _leave_border(draft: Draft, group: MisfitSwitch) -> bool:
    """The switch that leaves a border out."""
    left = st.toggle(
        "Leave it out",
        key=kept_key(draft, "border", group.usual),
        help="Nothing counts as labelled there. Off: it counts as ground like any other.",
    )
    draft.keep(border=left)
    return left


def _sentence(sentence: str, names: Sequence[str]) -> None:
    """What is odd, and of which images."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    with st.container(gap=None):
        say.text(sentence)
        say.caption(", ".join(shown(name) for name in names[:_NAMED]) + more)


def _alone(report: ImportReport) -> None:
    """What pictures without labels are good for."""
    with st.container(border=True, gap="small"):
        say.titled(
            "No image has labels",
            "Saved like this, a teacher speaks about them: choose them on Distill as pictures without labels, beside a "
            "dataset with labels, or open them in the gallery.",
        )
        say.caption(f"{len(report.pictures):,} images. Bring their masks or outlines with them to train on labels.")


def _classes(
    draft: Draft, report: ImportReport
) -> tuple[dict[int, str], frozenset[int], dict[int, tuple[int, int, int]]]:
    """A line for each class that was found: its colour, its name, and whether it is ignored."""
    rows = import_report.found(report)
    with st.container(border=True, key="dataset_classes", gap="small"):
        say.titled("Classes", "Two of the same name become one. What is ignored counts as not labelled.")
        first = 0
        if len(rows) > _ROWS:
            pages = -(-len(rows) // _ROWS)
            page = st.pagination(pages, key=kept_key(draft, "page", 1))
            first = _ROWS * (int(page or 1) - 1)
        told: dict[str, Any] = {}
        for row in rows[first : first + _ROWS]:
            told |= _class(draft, row)
    draft.keep(**told)
    kept = draft.settings
    names = {row.code: str(kept.get(f"name_{row.code}", row.name)) for row in rows}
    ignored = frozenset(row.code for row in rows if kept.get(f"ignore_{row.code}", row.ignored))
    colours = {row.code: _rgb(str(kept.get(f"colour_{row.code}", _hex(row.colour)))) for row in rows}
    return names, ignored, colours


def _class(draft: Draft, row: Found) -> dict[str, Any]:
    """Its widgets; gives what they hold."""
    code = row.code
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        colour = st.color_picker(
            plain(f"Colour of {row.name}"),
            key=kept_key(draft, f"colour_{code}", _hex(row.colour)),
            label_visibility="collapsed",
            width="content",
        )
        name = st.text_input(
            plain(f"Name of {row.written}"),
            key=kept_key(draft, f"name_{code}", row.name[:60]),
            max_chars=60,
            label_visibility="collapsed",
            width=170,
        )
        say.caption(f"{shown(row.written)} · {_percent(row.share)}", width=104)
        ignored = st.checkbox("Ignore", key=kept_key(draft, f"ignore_{code}", row.ignored), width="content")
    return {f"colour_{code}": colour, f"name_{code}": name, f"ignore_{code}": ignored}


def _split_choice(draft: Draft, report: ImportReport, edits: Edits) -> Edits:
    """How pictures are parted. Gives the edits with it."""
    options = import_report.splits(report)
    say.titled("Which images train, which test")
    split: str | None = options[0]
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(options) > 1:
            split = st.segmented_control(
                "Split",
                options,
                format_func=lambda option: plain(import_report.SPLITS[option]),
                help="Blocks: each image is cut into three, with margins between them that no part sees.",
                required=True,
                label_visibility="collapsed",
                key=kept_key(draft, "split", split),
            )
        seed = int(draft.settings.get("seed", 0))
        if split == "drawn":
            st.button(
                "Draw again",
                key="dataset_draw",
                icon=":material/shuffle:",
                on_click=lambda: draft.keep(seed=seed + 1),
                help="Parts of one picture, as their names tell, stay together.",
            )
    draft.keep(split=split)
    edits = replace(edits, split=str(split), seed=seed)
    return _margin(draft, report, edits) if import_report.is_cut(report, edits) else edits


def _margin(draft: Draft, report: ImportReport, edits: Edits) -> Edits:
    """How far blocks of different parts lie from each other."""
    margin = st.number_input(
        "Margin between the parts, in pixels",
        min_value=0,
        step=1,
        value=None,
        placeholder=f"{import_report.usual_margin(report, edits):,}",
        key=kept_key(draft, "margin", None),
        help="At least as wide as the crop of the training, so that nothing leaks. Empty: as it is written there.",
        width=260,
    )
    draft.keep(margin=margin)
    return replace(edits, margin=margin)


def _split(report: ImportReport, edits: Edits) -> None:
    """The split as a bar, and each picture in a table."""
    parts = import_report.parts(report, edits)
    counts = Counter(parts.values())
    cut = import_report.is_cut(report, edits)
    kept = import_report.kept(report, edits)
    split_bar([(title, _BAR[part], counts[part]) for part, title in PARTS.items()])
    with st.expander(f"All {len(kept):,} images"):
        say.table(
            [
                {
                    "Image": each.stem,
                    "Part": _use(each.stem, each.labelled, parts, cut),
                    "Size": f"{each.width} × {each.height}",
                    "Mask": "resampled" if each.misfit else "as it is" if each.labelled else "none",
                }
                for each in kept[:2000]
            ],
            width="stretch",
            hide_index=True,
            height=280,
        )


def _use(stem: str, labelled: bool, parts: Mapping[str, Part], cut: bool) -> str:
    if not labelled:
        return "No labels"
    return "Blocks" if cut else PARTS[parts[stem]]


def _preview(report: ImportReport, edits: Edits) -> None:
    """A few pictures beside their labels, in the colours above."""
    parts = import_report.parts(report, edits)
    cut = import_report.is_cut(report, edits)
    labelled = {each.stem: each.labelled for each in import_report.kept(report, edits)}
    say.titled("Preview", "Each image beside its labels, in the colours and classes as they are now.")
    with st.container(horizontal=True, gap="small"):
        for at, seen in enumerate(report.seen):
            stem, width = seen.stem, seen.width
            use = _use(stem, labelled[stem], parts, cut) if stem in labelled else "Left out"
            with st.container(width=min(2 * width + 4, _PREVIEW), gap=None):
                st.image(
                    import_preview.painted(report, at, edits),
                    width="stretch",
                    output_format="PNG",
                    alt=f"{stem} beside its labels",
                )
                say.caption(f"{shown(stem)} · {use}")


def _save(draft: Draft, report: ImportReport, edits: Edits) -> tuple[Edits | None, bool]:
    """What it is called, whether it is shared, and the button."""
    classes, unlabelled = import_report.edited(report, edits)
    with st.container(border=True, key="dataset_save"):
        left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
        with left:
            title = st.text_input(
                "Name of the dataset", key=kept_key(draft, "title", _title(draft.label)), max_chars=60
            )
        with right:
            shared = st.toggle(
                "Share it",
                key=kept_key(draft, "shared", draft.owner is None),
                help="Everybody who may use this server can train on it and see its images. Off: you alone.",
            )
        with st.expander("Licence and source"):
            licence = st.text_input(
                "Licence", key=kept_key(draft, "licence", ""), max_chars=200, placeholder="CC BY 4.0"
            )
            source = st.text_input("Who made it", key=kept_key(draft, "attribution", ""), max_chars=200)
        draft.keep(title=title, shared=shared, licence=licence, attribution=source)
        edits = replace(edits, title=title, licence=licence, attribution=source)
        found = import_choices.problems(report, edits)
        told = ", ".join(f"{each.name} {_percent(each.share)}" for each in classes[:8])
        more = f" and {len(classes) - 8} more" if len(classes) > 8 else ""
        ignored = f" {_percent(unlabelled)} of all pixels count as not labelled." if unlabelled > 0 else ""
        if classes:
            say.caption(f"{len(classes)} classes: {told}{more}.{ignored}")
        if found:
            say.warning(*found)
        pressed = st.button(
            "Save", type="primary", icon=":material/save:", key="dataset_save_now", disabled=bool(found)
        )
    return (edits if pressed else None), bool(shared)


def _title(label: str) -> str:
    """`my_fields.zip` → `my fields`."""
    return re.sub(r"[_\s]+", " ", re.sub(r"\.\w{2,7}$", "", label)).strip()[:60] or "My dataset"


def _percent(part: float) -> str:
    return "under 0.1 %" if 0 < part < 0.001 else share(part)


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _rgb(text: str) -> tuple[int, int, int]:
    plain_text = text.lstrip("#")
    if not re.fullmatch(r"[0-9a-fA-F]{6}", plain_text):
        return 128, 128, 128
    return int(plain_text[:2], 16), int(plain_text[2:4], 16), int(plain_text[4:], 16)
