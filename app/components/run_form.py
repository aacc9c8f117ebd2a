"""The settings of a distillation as widgets. Ranges are checked by the service, and shown beside the fields."""

from typing import Any

import streamlit as st

from app import state
from app.components.linked import linked_number, linked_segments, linked_select
from app.components.loss_form import LossForm, loss_form
from app.services import launch
from app.services.artifacts import Model
from app.services.datasets import DatasetChoice
from app.services.distill_losses import uses_features

_PRESETS = {"quick": "Quick", "full": "Full"}
_SPLITS = {"by-image": "By source image", "leaky-patches": "Random patches (leaks, for comparison only)"}
_FORMS = {"float16": "Two bytes a logit", "uint8": "One byte a logit (half the disk)"}


def run_form(models: dict[str, Model], datasets: list[DatasetChoice]) -> tuple[launch.Settings, LossForm]:
    """Draw the form and give back what it holds, and its part on losses; widgets are bound to the link."""
    values: dict[str, Any] = {}
    linked_segments(
        "Preset",
        _PRESETS,
        name=state.PRESET,
        on_change=_apply_preset,
        help="Quick: a first look, two minutes on two processor cores and as much for its control. "
        "Full: what a useful student needs, hours without a GPU.",
    )
    left, right = st.columns(2, gap="medium")
    with left:
        values["teacher"] = _teacher(models)
        values["temperature"] = _number(
            "Temperature (0.5 to 50)", "temperature", 0.5, "%.1f", help=_HELP["temperature"]
        )
        values["epochs"] = _number("Epochs (1 to 10,000)", "epochs", 1, "%d")
    with right:
        values |= _dataset(datasets)
        values["alpha"] = _number("Alpha (0 to 1)", "alpha", 0.1, "%.2f", help=_HELP["alpha"])
        seed, seeds = st.columns(2)
        with seed:
            values["seed"] = _number("Seed (0 or more)", "seed", 1, "%d")
        with seeds:
            values["seeds"] = _number(f"Seeds (1 to {launch.MOST_SEEDS})", "seeds", 1, "%d", help=_HELP["seeds"])
    losses = loss_form()
    values["losses"] = losses.weights
    values["control"] = st.toggle(
        "Also train a control", value=True, key="control", bind="query-params", help=_HELP["control"]
    )
    with st.expander("More settings"):
        values |= _more(losses)
    return launch.Settings(**values), losses


_HELP = {
    "temperature": "Softens the teacher's answers: higher shows more of what it thinks likely besides its choice.",
    "alpha": "Share of the labels in the loss: 0 learns from the teacher only, 1 from the labels only.",
    "control": "The same student on labels only, same seed and training time. Without it, a gain means nothing.",
    "seeds": "As many distillations, with this seed and the next ones. Only several can tell a gain from luck.",
    "cache_views": "Epochs of views whose teacher answers are stored and replayed; 0 runs the teacher at every step.",
    "cache_pictures": "The teacher looks at each training picture once, and its answers to views are cut from there: "
    "the quickest way to ever new views. Not for losses on features.",
    "average_flips": "The teacher answers to four mirror images of a view, and the mean counts: "
    "steadier, at four times its cost.",
    "ema": "The student that is scored and shipped is a running mean of itself; 0.998 suits long runs, 0 is off.",
}


def student_slider() -> int:
    """Base width of the student, on its own because its figures stand beside it."""
    widths = [2, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    return int(
        st.select_slider(
            "Student size",
            widths,
            value=4,
            key="base",
            bind="query-params",
            help="Width of the student: parameters and work grow with its square. 4 has about 120,000 parameters.",
        )
    )


def _number(
    label: str,
    key: str,
    step: float,
    fmt: str,
    *,
    help: str | None = None,  # noqa: A002
    disabled: bool = False,
) -> Any:
    """A number without hard limits: what is out of range is refused in words, with the range."""
    default = getattr(_preset(), key)
    value = st.number_input(
        label,
        value=default,
        step=type(default)(step),
        format=fmt,
        key=key,
        bind="query-params",
        help=help,
        disabled=disabled,
    )
    return default if value is None else value


def _teacher(models: dict[str, Model]) -> str:
    return linked_select(
        "Teacher",
        list(models),
        name=state.TEACHER,
        key="distill_teacher",
        default="teacher",
        title=lambda name: models[name].label,
    )


def _dataset(choices: list[DatasetChoice]) -> dict[str, str]:
    titles = {choice.name: choice.title for choice in choices}
    name = linked_select("Dataset", list(titles), name="dataset", title=titles.__getitem__)
    chosen = next(choice for choice in choices if choice.name == name)
    root = ""
    if chosen.needs_root:
        root = st.text_input(
            "Folder with images/ and masks/",
            key="root",
            bind="query-params",
            help="Below the folder that this server's operator opened.",
        )
    if chosen.missing:
        st.warning(chosen.missing, icon=":material/download:")
    return {"dataset": name, "root": root}


def _more(losses: LossForm) -> dict[str, Any]:
    left, right = st.columns(2, gap="medium")
    values: dict[str, Any] = {}
    with left:
        values["batch_size"] = _number("Batch size (1 to 1,024)", "batch_size", 1, "%d")
        values["learning_rate"] = _number("Peak learning rate (above 0, at most 1)", "learning_rate", 0.001, "%.4f")
        values["ema"] = _number("Averaged weights (EMA decay, 0 to below 1)", "ema", 0.001, "%.4f", help=_HELP["ema"])
        values["split"] = linked_select("Split", list(_SPLITS), name="split", title=_SPLITS.__getitem__)
        values["device"] = st.selectbox("Device", launch.devices(), key="device", bind="query-params")
    with right:
        values["crop"] = _number("Crop (32 to 1,024, a multiple of 16)", "crop", 16, "%d")
        values["views"] = linked_number(
            "Views an epoch (empty: as many as fit side by side)", name="views", default=_preset().views, step=16
        )
        values |= _stored(losses)
    values["average_flips"] = st.toggle(
        "Average the teacher over mirror images",
        key="average_flips",
        bind="query-params",
        help=_HELP["average_flips"],
    )
    values["name"] = st.text_input(
        "Name of the run", key="name", max_chars=80, placeholder="Compact 4 from teacher", bind="query-params"
    )
    return values


def _stored(losses: LossForm) -> dict[str, Any]:
    """How much of the teacher is stored. A loss on features needs the very views."""
    inside = uses_features(losses.weights)
    pictures = st.toggle(
        "Store whole pictures",
        value=_preset().cache_pictures,
        key="cache_pictures",
        bind="query-params",
        help=_HELP["cache_pictures"],
        disabled=inside,
    )
    pictures = pictures and not inside
    label = "Stored teacher epochs (off: whole pictures)" if pictures else "Stored teacher epochs (0 to 1,000)"
    views = _number(label, "cache_views", 1, "%d", help=_HELP["cache_views"], disabled=pictures)
    form = linked_select(
        "Form of what is stored",
        list(_FORMS),
        name="cache_form",
        default=_preset().cache_form,
        title=_FORMS.__getitem__,
    )
    return {"cache_pictures": pictures, "cache_views": views, "cache_form": form}


def _preset() -> launch.Settings:
    """The chosen preset. Its values are the defaults of the fields, so a link names it and what differs from it."""
    return launch.PRESETS[st.session_state[state.PRESET]]


def _apply_preset() -> None:
    for name in launch.PRESET_FIELDS:
        st.session_state[name] = getattr(_preset(), name)
