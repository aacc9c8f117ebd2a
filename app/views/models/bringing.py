"""Bringing a model: the upload, what its files say, what they do not, and which of its classes stand for which."""

from typing import Any

import streamlit as st

from app import visitor
from app.components import say
from app.components.guard import plainly
from app.components.sections import sections
from app.services import brought_models
from app.services.brought_models import FoundModel, UploadedModel, numbers
from app.services.names import plain
from app.views.models.preview import draw_draft
from core.errors import TerrastillError

_UPLOAD, _ROUND, _PROBLEM, _DONE = "brought_upload", "brought_round", "brought_problem", "brought_done"
_OWN = ""
_MOST_ROWS = 40


def draw_bringing() -> None:
    """The upload, or the form for what was uploaded."""
    with sections(1)[0]:
        if name := st.session_state.pop(_DONE, None):
            say.success(
                f"{name} is here: it stands in the menus of Compare, Gallery, Temperature, Benchmark and Distill."
            )
        if problem := st.session_state.pop(_PROBLEM, None):
            say.error(*problem)
    upload = st.session_state.get(_UPLOAD)
    with st.expander("Bring a model", icon=":material/upload:", expanded=upload is not None):
        if isinstance(upload, UploadedModel):
            _form(upload)
        else:
            _bring()


def _bring() -> None:
    file = st.file_uploader(
        "An .onnx file, or a zip of an OpenVINO .xml and .bin, or of a folder that save_pretrained wrote: "
        f"at most {brought_models.UPLOAD_MEGABYTES} MB",
        type=list(brought_models.TYPES),
        max_upload_size=brought_models.UPLOAD_MEGABYTES,
        key=f"brought_file_{st.session_state.get(_ROUND, 0)}",
        help="Nothing in it is run to read it. It then runs in a process of its own, with limits on memory and time.",
    )
    if file is None:
        return
    try:
        with st.spinner("Reading the file …"):
            st.session_state[_UPLOAD] = brought_models.take_in(file.name, file, visitor.person())
    except TerrastillError as error:
        st.session_state[_PROBLEM] = [str(error)]
    finally:
        visitor.forget_upload(file.file_id)
        st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    st.rerun()


def _form(upload: UploadedModel) -> None:
    found = upload.found
    facts = [f"{key}: {value}" for key, value in found.facts.items()]
    say.titled(found.title, " · ".join([f"{found.parameters:,} parameters", *facts]))
    for note in (*found.notes, *upload.missing):
        say.caption(note.split(": give --")[0].rstrip(".") + ".")
    left, right = st.columns(2)
    with left:
        name = st.text_input("Name", key="brought_name", help="Lower-case letters, digits, - and _.")
        classes = st.text_input(
            "Classes, in the order of its outputs", value=", ".join(found.classes), key="brought_classes"
        )
        licence = st.text_input("Licence", value=found.licence, key="brought_licence")
    with right:
        told = _bands_by_form(found)
        scale = 255.0 if told.get("depth", "uint8") == "uint8" else 1.0
        mean, std = _normalisation(found, scale)
        metres = st.number_input(
            "Metres a pixel that it was trained at", value=found.metres, min_value=0.001, max_value=1000.0, step=0.01,
            key="brought_metres",
        )  # fmt: skip
        told |= _told_by_form(found)
    classes = brought_models.typed(classes, found)
    names = [part.strip() for part in classes.split(",") if part.strip()] or list(found.classes)
    dataset, mapping = _mapping(names)
    known = visitor.owner() is not None
    said = None
    with plainly():
        said = brought_models.answers(
            classes=classes, mapping=mapping, dataset=dataset, mean=numbers(mean), std=numbers(std), metres=metres,
            licence=licence, scale=scale, **told,
        )  # fmt: skip
        draw_draft(upload, said)
    shared = st.toggle(
        "Share it", value=not known, disabled=not known, key="brought_shared",
        help="Everybody who may use this server sees it and can learn from it. Off: you alone."
        if known
        else "This browser keeps no cookie, so nobody could find the model again: everybody on this server sees it.",
    )  # fmt: skip
    take, drop = st.columns([1, 5])
    if drop.button("Discard", key="brought_discard", icon=":material/close:"):
        brought_models.discard(upload)
        del st.session_state[_UPLOAD]
        st.rerun()
    if take.button("Import", type="primary", key="brought_import", icon=":material/check:") and said is not None:
        with st.spinner("It is run once on noise, in a process of its own …"):
            brought_models.import_uploaded(upload, name.strip(), said, visitor.person(), shared=shared)
        del st.session_state[_UPLOAD]
        st.session_state[_DONE] = name.strip()
        st.rerun()


def _bands_by_form(found: FoundModel) -> dict[str, Any]:
    """What a model of other bands than three sees: their names, and the type of their values."""
    if found.bands in (None, 3):
        return {}
    names = st.text_input(
        plain(f"Its {found.bands} bands, in its order"),
        value=", ".join(found.band_names),
        key="brought_bands",
        placeholder="red, green, blue, nir",
        help="By the names that the bands of your pictures have.",
    )
    titles = {"uint8": "8 bits", "uint16": "16 bits", "float32": "32-bit floats"}
    taken = ["uint8"] if found.network.get("dtype") == "uint8" else list(titles)
    depth = st.selectbox(
        "Values of its pictures",
        taken,
        index=taken.index(found.depth) if found.depth in taken else 0,
        format_func=titles.__getitem__,
        key="brought_depth",
    )
    return {"bands": names, "depth": depth}


def _told_by_form(found: FoundModel) -> dict[str, Any]:
    """Layout, order of colours and kind of output, where the files do not say them."""
    told = {}
    if found.network.get("layout") is None:
        told["layout"] = st.selectbox("Layout of its input", ["nchw", "nhwc"], key="brought_layout")
    left, right = st.columns(2)
    if found.kind in brought_models.FILE_KINDS and found.bands in (None, 3):
        first = found.network.get("order", "rgb")
        titles = {"rgb": "Red first", "bgr": "Blue first"}
        with left:
            told["order"] = st.selectbox(
                "Colours",
                list(titles),
                index=list(titles).index(first),
                format_func=titles.__getitem__,
                key="brought_order",
            )
    if found.output is None:
        kinds = {"": "Found by running it", "logits": "Logits", "probabilities": "Probabilities"}
        with right:
            told["output"] = st.selectbox("It gives", list(kinds), format_func=kinds.__getitem__, key="brought_output")
    return {name: value for name, value in told.items() if value}


def _normalisation(found: FoundModel, scale: float) -> tuple[str, str]:
    """Of values divided by `scale`, as it was typed; empty where the model takes bytes."""
    if found.network.get("dtype") == "uint8":
        return "", ""
    both = (found.mean, found.std)
    shown = [", ".join(f"{value / scale:.6g}" for value in values) if values else "" for values in both]
    more = "After bytes are divided by 255: 0, 0, 0 and 1, 1, 1 for no more than that."
    more = more if scale == 255 else "In the units of the pictures, one for each band."
    order = "red first" if found.bands in (None, 3) else "in its order"
    first = st.text_input(
        plain(f"Mean of each band, {order}"),
        value=shown[0],
        key="brought_mean",
        placeholder="0.485, 0.456, 0.406",
        help=plain(more),
    )
    second = st.text_input(
        plain(f"Std of each band, {order}"),
        value=shown[1],
        key="brought_std",
        placeholder="0.229, 0.224, 0.225",
        help=plain(more),
    )
    return first, second


def _mapping(names: list[str]) -> tuple[str | None, dict[str, str]]:
    """In which dataset's classes it is to answer, and what each of its own stands for there."""
    titles = brought_models.targets(visitor.owner())
    dataset = st.selectbox(
        "It answers in the classes of",
        [_OWN, *titles],
        format_func=lambda option: titles.get(option, "itself"),
        key="brought_target",
    )
    if not dataset or not names or len(set(names)) < len(names):
        return None, {}
    own, proposed = brought_models.proposals(names, dataset)
    say.caption(
        "Several may stand for one. Where it finds a class that stands for nothing, a student learns from labels."
    )
    columns = st.columns(4)
    mapping = {}
    for at, theirs in enumerate(names[:_MOST_ROWS]):
        options = ["", *own]
        with columns[at % 4]:
            mapping[theirs] = st.selectbox(
                plain(theirs),
                options,
                index=options.index(proposed[theirs]),
                format_func=lambda option: option or "nothing",
                key=f"brought_map_{dataset}_{theirs}",
            )
    return dataset, {theirs: proposed[theirs] for theirs in names} | mapping
