"""The settings of a distillation as widgets. Titles, ranges and help stand on the fields of core/config/."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.components import say
from app.components.linked import linked_number, linked_segments, linked_select
from app.services import artifacts, launch
from app.services.artifacts import Model
from app.services.datasets import DatasetChoice
from app.services.names import plain, shown
from app.services.run_settings import (
    PRESETS,
    SET_BY_PRESET,
    Place,
    at,
    link_name,
    setting_of,
    value_of,
    with_values,
)
from app.services.situations import SITUATIONS, defaults
from app.views.distill.loss_form import LossForm, loss_form, start_with
from app.views.distill.pictures_form import transfer_field
from app.visitor import owner
from core.config import RunConfig
from core.config.fields import Setting, settings_of
from core.losses.catalogue import uses_features

_PRESETS = {"quick": "Quick", "full": "Full"}
_SPLITS = {"by-image": "By source image", "leaky-patches": "Random patches (leaks, for comparison only)"}
_ALPHA_ENDS = {"none": "As at the start", "1.0": "1: labels take over"}
_WIDTHS = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64)


def run_form(
    models: dict[str, Model], datasets: list[DatasetChoice]
) -> tuple[launch.Request, LossForm, DeltaGenerator]:
    """Draw the form; widgets are bound to the link.

    Gives what it holds, its part on losses, and the place where it is told what student and control learn from, once
    the data is read.
    """
    values: dict[str, Any] = {}
    have = _answers()
    left, right = st.columns(2, gap="medium")
    with left:
        values["teacher"] = _teacher(models)
        values |= _widgets("left")
    with right:
        values |= dataset_field(datasets)
        _page_button("Bring images and labels", "views/datasets/page.py", key="to_datasets")
        _labels_of(str(values["dataset"]))
        asks, needed = SITUATIONS[have].asks_pictures, SITUATIONS[have].needs_pictures
        if asks:
            values |= transfer_field(datasets, dataset=str(values["dataset"]), needed=needed)
        values |= _widgets("right")
        seed, seeds = st.columns(2)
        with seed:
            values |= _widgets("seed")
        with seeds:
            count = number_field(_REQUEST["seeds"], launch.Request().seeds, key="seeds")
    own = next((choice.classes for choice in datasets if choice.name == values["dataset"]), ())
    values["map_classes"] = _mapping(models[values["teacher"]], own, key=f"{values['teacher']}_{values['dataset']}")
    losses = loss_form(value_of(_preset(), "losses"))
    values["losses"] = losses.weights
    control = _toggle(_REQUEST["control"], SITUATIONS[have].control, key="control")
    told = st.container()
    with st.expander("More settings"):
        values |= _more(losses, models)
        if not asks:
            values |= transfer_field(datasets, dataset=str(values["dataset"]), needed=False)
    return launch.Request(with_values(_preset(), values), seeds=count, control=control, have=have), losses, told


def _answers() -> str:
    """What the person has, which is given back, and the preset: both settle what the fields start with."""
    have = linked_segments(
        "What do you have beside a teacher?",
        {name: situation.title for name, situation in SITUATIONS.items()},
        name=state.HAVE,
        on_change=_apply_situation,
    )
    say.caption(SITUATIONS[have].expect)
    linked_segments(
        "Preset",
        _PRESETS,
        name=state.PRESET,
        on_change=_apply_preset,
        help="Quick: a first look. Full: what a useful student needs, many times as long. "
        "How long each takes here stands beside the form, from steps timed on this machine.",
    )
    return have


_REQUEST = settings_of(launch.Request)


def student_slider() -> int:
    """Base width of the student, on its own because its figures stand beside it."""
    return int(
        st.select_slider(
            "Student size",
            _WIDTHS,
            value=value_of(_preset(), "base"),
            key="base",
            bind="query-params",
            help=setting_of("base").help,
        )
    )


def _widgets(place: Place) -> dict[str, Any]:
    """Draw the settings of a part of the form, and give their values by name."""
    return {name: _widget(name) for name in at(place)}


def _widget(name: str, *, label: str | None = None, disabled: bool = False) -> Any:
    """A setting of the form as its type asks: a switch, a menu, a number, or a whole number that may be left empty."""
    setting, value, key = setting_of(name), value_of(_preset(), name), link_name(name)
    if isinstance(value, bool):
        return _toggle(setting, value, key=key, disabled=disabled)
    if setting.choices:
        titles = setting.titles
        return linked_select(setting.title, list(titles), name=key, default=value, title=titles.__getitem__)
    if setting.empty:
        return linked_number(
            f"{setting.title} (empty: {setting.empty})", name=key, default=value, step=int(setting.step)
        )
    return number_field(setting, value, key=key, label=label, disabled=disabled)


def number_field(setting: Setting, default: Any, *, key: str, label: str | None = None, disabled: bool = False) -> Any:
    """A number without hard limits: what is out of range is refused in words, with the range."""
    value = st.number_input(
        setting.label if label is None else plain(label),
        value=default,
        step=type(default)(setting.step),
        format="%d" if isinstance(default, int) else "%g",
        key=key,
        bind="query-params",
        help=setting.help,
        disabled=disabled,
    )
    return default if value is None else value


def _toggle(setting: Setting, default: bool, *, key: str, disabled: bool = False) -> bool:
    return st.toggle(setting.title, value=default, key=key, bind="query-params", help=setting.help, disabled=disabled)


def _teacher(models: dict[str, Model]) -> str:
    chosen = linked_select(
        setting_of("teacher").title,
        list(models),
        name=state.TEACHER,
        key="distill_teacher",
        default="teacher",
        title=lambda name: models[name].label,
    )
    _page_button("Bring a teacher of yours", "views/models/page.py", key="to_models")
    return chosen


def _page_button(label: str, page: str, *, key: str) -> None:
    """A small button to the page where something of one's own is brought."""
    if st.button(plain(label), icon=":material/upload:", type="tertiary", key=key):
        st.switch_page(page)


def _mapping(teacher: Model, own: Sequence[str], *, key: str) -> dict[str, str]:
    """A menu for each of the teacher's classes where the data has others: which of the data's it stands for."""
    theirs = [name for name, _ in teacher.classes[: teacher.ignore_index]]
    usual = launch.usual_mapping(theirs, own)
    if not usual:
        state.pairs_to_link(state.STANDS, {}, default={})
        return {}
    options, key = ["", *own], f"map_classes_{key}"
    linked = state.pairs_from_link(state.STANDS, theirs, options)
    start = usual | (linked or ({} if state.went_back() else state.last(key, {})))
    chosen = {}
    with st.expander("The data has other classes than the teacher: say what stands for what", expanded=True):
        say.caption(
            "Several may stand for one: what the teacher gives to them is summed. Where it finds one without a "
            "counterpart, it teaches nothing; labels do, where alpha is above 0."
        )
        for number, name in enumerate(theirs):
            field = f"{key}_{number}"
            if state.went_back() or st.session_state.get(field) not in options:
                st.session_state[field] = start[name] if start[name] in options else ""
            chosen[name] = st.selectbox(
                plain(name),
                options,
                format_func=lambda option: shown(option) if option else "No counterpart",
                key=field,
            )
    state.remember(key, chosen)
    state.pairs_to_link(state.STANDS, chosen, default=usual)
    return chosen


def dataset_field(choices: list[DatasetChoice]) -> dict[str, str | None]:
    titles = {choice.name: choice.title for choice in choices if choice.labelled}
    name = linked_select(setting_of("dataset").title, list(titles), name="dataset", title=titles.__getitem__)
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
        say.warning(chosen.missing, icon=":material/download:")
    return {"dataset": name, "root": root or None}


def _start_from(models: dict[str, Model]) -> str | None:
    """A student to begin with: of its size, whatever classes it tells apart."""
    every = models | artifacts.starting_points(owner())
    compact = {name: model for name, model in every.items() if model.architecture.startswith("Compact")}
    titles = {state.NOTHING: "Fresh weights"}
    kinds = {name: "starting point, " if model.starting_point else "" for name, model in compact.items()}
    titles |= {name: f"{model.title} ({kinds[name]}{model.architecture})" for name, model in compact.items()}
    setting = setting_of("start_from")
    chosen = linked_select(
        setting.title, list(titles), name="start_from", title=titles.__getitem__, help=plain(setting.help)
    )
    return None if chosen == state.NOTHING else chosen


def _more(losses: LossForm, models: dict[str, Model]) -> dict[str, Any]:
    left, right = st.columns(2, gap="medium")
    values: dict[str, Any] = {}
    with left:
        values |= _widgets("more left")
        values["split"] = linked_select(
            setting_of("split").title, list(_SPLITS), name="split", title=_SPLITS.__getitem__
        )
        values["device"] = st.selectbox(setting_of("device").title, launch.devices(), key="device", bind="query-params")
    with right:
        values |= _widgets("more right")
        values["confidence"] = _widget("confidence", disabled=not values["consistency"])
        values |= _stored(losses)
    values["start_from"] = _start_from(models)
    values |= _widgets("more below")
    end = value_of(_preset(), "alpha_end")
    ends = linked_select(
        setting_of("alpha_end").title,
        list(_ALPHA_ENDS),
        name="alpha_end",
        default=state.NOTHING if end is None else str(end),
        title=_ALPHA_ENDS.__getitem__,
        help=plain(setting_of("alpha_end").help),
    )
    values["alpha_end"] = None if ends == state.NOTHING else float(ends)
    values["name"] = st.text_input(
        "Name of the run", key="name", max_chars=80, placeholder="Compact 4 from teacher", bind="query-params"
    )
    return values


def _stored(losses: LossForm) -> dict[str, Any]:
    """How much of the teacher is stored. A loss on features needs the very views."""
    inside = uses_features(losses.weights)
    pictures = _widget("cache_pictures", disabled=inside) and not inside
    label = f"{setting_of('cache_views').title} (off: whole pictures)" if pictures else None
    views = _widget("cache_views", label=label, disabled=pictures)
    return {"cache_pictures": pictures, "cache_views": views, **_widgets("more stored")}


def _preset() -> RunConfig:
    """The chosen preset for what the person has. Its values are the defaults of the fields, so a link names both and
    what differs from them."""
    dataset = st.session_state.get(state.DATASET, launch.Request().config.data.dataset)
    return defaults(st.session_state[state.PRESET], st.session_state[state.HAVE], dataset)


def _labels_of(dataset: str) -> None:
    """Before what is said of labels is drawn: that of this dataset, where the form holds another's default."""
    before = state.last(_LABELS_OF, dataset)
    state.remember(_LABELS_OF, dataset)
    for name in ("labelled", "alpha") if before != dataset else ():
        starts = [value_of(defaults(preset, have, before), name) for preset in PRESETS for have in SITUATIONS]
        if not state.linked(name) and st.session_state.get(name, state.last(name, None)) in starts:
            st.session_state[name] = value_of(_preset(), name)


_LABELS_OF = "labels_of"


def _apply_preset() -> None:
    for name in SET_BY_PRESET:
        value = value_of(_preset(), name)
        if name == "alpha_end":
            value = state.NOTHING if value is None else str(value)
        st.session_state[link_name(name)] = value
    starts = [value_of(defaults(preset, have), "losses") for preset in PRESETS for have in SITUATIONS]
    start_with(value_of(_preset(), "losses"), instead_of=starts)


def _apply_situation() -> None:
    """A control is not forced on somebody who has no labels."""
    _apply_preset()
    st.session_state["control"] = SITUATIONS[st.session_state[state.HAVE]].control
