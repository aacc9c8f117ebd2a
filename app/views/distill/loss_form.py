"""Which losses the student learns from, how much each one weighs, and what each costs on this machine."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.components import say
from app.components.forecast import loss_cost
from app.services.names import plain
from core.losses.catalogue import LOSSES, Loss, usual_weights

_CHOSEN = "losses_chosen"


@dataclass(frozen=True)
class LossForm:
    """The weights by name, and the places that `show_costs` fills: costs are measured when all else is drawn."""

    weights: dict[str, float]
    guide: DeltaGenerator
    places: dict[str, DeltaGenerator] = field(default_factory=dict)


def start_with(start: Mapping[str, float], *, instead_of: Collection[Mapping[str, float]]) -> None:
    """Before the form is drawn: choose these losses, where the form still holds one of those that it started with."""
    if state.last(state.LOSSES, None) not in instead_of:
        return
    st.session_state[_CHOSEN] = list(start)
    for name in LOSSES:
        st.session_state.pop(f"weight_{name}", None)
    state.remember(state.LOSSES, dict(start))
    state.to_link(state.LOSSES, None, default=None)


def loss_form(start: Mapping[str, float]) -> LossForm:
    """The menu of losses, which starts with these, and a weight for each chosen one; the link keeps both."""
    usual = usual_weights()
    linked = state.weights_from_link(state.LOSSES, usual)
    linked = state.last(state.LOSSES, dict(start)) if linked is None else linked
    if _CHOSEN not in st.session_state:
        st.session_state[_CHOSEN] = list(linked)
    chosen = st.multiselect(
        "Losses on the teacher",
        list(LOSSES),
        format_func=lambda name: LOSSES[name].title,
        key=_CHOSEN,
        placeholder="Choose at least one",
        wrap=True,
    )
    weights, places = {}, {}
    for name in chosen:
        weights[name], places[name] = _weight(LOSSES[name], linked.get(name, usual[name]))
    state.remember(state.LOSSES, weights)
    state.to_link(state.LOSSES, state.weights_for_link(weights), default=state.weights_for_link(start))
    guide = st.expander(f"All {len(LOSSES)} losses, and what they cost here").container()
    return LossForm(weights, guide, places)


def _weight(loss: Loss, start: float) -> tuple[float, DeltaGenerator]:
    """One chosen loss: what the student learns by it, and how much it weighs."""
    key = f"weight_{loss.name}"
    if key not in st.session_state:
        st.session_state[key] = float(start)
    words, number = st.columns([2.4, 1], gap="medium", vertical_alignment="center")
    with words.container(gap="xxsmall"):
        say.own_markup(f"**{loss.title}**  \n{loss.summary} {_paper(loss)}")
        place = st.container()
    value = number.number_input("Weight (above 0 to 10,000)", step=0.5, format="%g", key=key)
    return float(value), place


def show_costs(form: LossForm, seconds: Mapping[str, float], *, step: float = 1.0) -> None:
    """Fill the places with what each loss costs, beside a `step` of the student; all in seconds a picture.

    Without measured `seconds` they stay empty, and the guide is words alone.
    """
    costs = {name: loss_cost(took, soft_targets=seconds["soft_targets"], step=step) for name, took in seconds.items()}
    for name, place in form.places.items():
        if name in costs:
            place.caption(plain(costs[name]))
    with form.guide:
        logits, features = ([loss for loss in LOSSES.values() if loss.on_features == on] for on in (False, True))
        say.own_markup("On the teacher's logits:\n" + "\n".join(_line(loss, costs) for loss in logits))
        say.own_markup(
            "On features inside the teacher, which are stored for views and not for whole pictures:\n"
            + "\n".join(_line(loss, costs) for loss in features)
        )
        st.caption(_GUIDE)


_GUIDE = (
    "× 1.0 is the time that soft targets take; the share is of a step of this student alone. "
    "The weights give each loss about the pull of soft targets."
)


def _line(loss: Loss, costs: Mapping[str, str]) -> str:
    cost = f" · {costs[loss.name]}" if loss.name in costs else ""
    return (
        f"- **{loss.title}** :gray[· weight {loss.weight:g}{cost}]  \n  {loss.summary} {_paper(loss)}  \n"
        f"  :gray[Temperature: {loss.temperature}]"
    )


def _paper(loss: Loss) -> str:
    return f"([{loss.paper}](https://arxiv.org/abs/{loss.arxiv}))"
