"""How the student listens: which losses, how much each one weighs, and what each costs on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.components.forecast import loss_cost
from app.services.ways import DEFAULT, USUAL, WAYS, Way

_CHOSEN = "losses_chosen"
_START = {DEFAULT: USUAL[DEFAULT]}


@dataclass(frozen=True)
class LossForm:
    """The weights by name, and the places that `show_costs` fills: costs are measured when all else is drawn."""

    weights: dict[str, float]
    guide: DeltaGenerator
    places: dict[str, DeltaGenerator] = field(default_factory=dict)


def loss_form() -> LossForm:
    """The menu of losses, and a weight for each chosen one; the link keeps both."""
    linked = state.weights_from_link(state.LOSSES, USUAL)
    linked = state.last(state.LOSSES, _START) if linked is None else linked
    if _CHOSEN not in st.session_state:
        st.session_state[_CHOSEN] = list(linked)
    chosen = st.multiselect(
        "How the student listens",
        list(WAYS),
        format_func=lambda name: WAYS[name].title,
        key=_CHOSEN,
        placeholder="Choose at least one",
    )
    weights, places = {}, {}
    for name in chosen:
        weights[name], places[name] = _weight(WAYS[name], linked.get(name, USUAL[name]))
    state.remember(state.LOSSES, weights)
    state.to_link(state.LOSSES, state.weights_for_link(weights), default=state.weights_for_link(_START))
    guide = st.expander(f"All {len(WAYS)} ways to listen, and what they cost here").container()
    return LossForm(weights, guide, places)


def _weight(way: Way, start: float) -> tuple[float, DeltaGenerator]:
    """One chosen loss: what it says, and how much it weighs."""
    key = f"weight_{way.name}"
    if key not in st.session_state:
        st.session_state[key] = float(start)
    words, number = st.columns([2.4, 1], gap="medium", vertical_alignment="center")
    with words.container(gap="xxsmall"):
        st.markdown(f"**{way.title}**  \n{way.hears} {_paper(way)}")
        place = st.container()
    value = number.number_input("Weight (above 0 to 10,000)", step=0.5, format="%g", key=key)
    return (way.weight if value is None else float(value)), place


def show_costs(form: LossForm, seconds: Mapping[str, float], *, step: float = 1.0) -> None:
    """Fill the places with what each loss costs, beside a `step` of the student; all in seconds a picture.

    Without measured `seconds` they stay empty, and the guide is words alone.
    """
    costs = {name: loss_cost(took, soft_targets=seconds["soft_targets"], step=step) for name, took in seconds.items()}
    for name, place in form.places.items():
        if name in costs:
            place.caption(costs[name])
    with form.guide:
        answers, features = ([way for way in WAYS.values() if way.on_features == inside] for inside in (False, True))
        st.markdown("To the teacher's answers:\n" + "\n".join(_line(way, costs) for way in answers))
        st.markdown(
            "To features inside it, which are stored for views and not for whole pictures:\n"
            + "\n".join(_line(way, costs) for way in features)
        )
        st.caption(_GUIDE)


_GUIDE = (
    "× 1.0 is the time that soft targets take; the share is of a step of this student alone. "
    "The weights give each loss about the pull of soft targets."
)


def _line(way: Way, costs: Mapping[str, str]) -> str:
    cost = f" · {costs[way.name]}" if way.name in costs else ""
    return f"- **{way.title}** :gray[· weight {way.weight:g}{cost}]  \n  {way.hears} {_paper(way)}"


def _paper(way: Way) -> str:
    return f"([{way.paper}](https://arxiv.org/abs/{way.arxiv}))"
