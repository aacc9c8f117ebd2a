"""A tour of two minutes through the real pages, and the presenter's view: the pages without their sidebar.

Both are parts of the link: `tour=2` is the second step, `present=1` the presenter's view. Each step is a page with a
link of its own, so it can be sent, reloaded and left at any time; nothing of it is fetched from elsewhere.
"""

from dataclasses import dataclass, field

import streamlit as st

from app import state
from app.services.names import plain


@dataclass(frozen=True)
class Stop:
    """One stop: what it is called, what it shows in a sentence or two, and the page with its link."""

    title: str
    told: str
    page: str
    link: dict[str, str] = field(default_factory=dict)


_COMPARE = "views/compare/page.py"
STEPS = (
    Stop(
        "See both",
        "The same image, segmented by a large model and by the small one that learned from it. The strip above says "
        "what the small one keeps.",
        _COMPARE,
    ),
    Stop(
        "Swipe",
        "Drag the line over the image: the teacher is on its left, the student on its right.",
        _COMPARE,
        {"layout": "swipe"},
    ),
    Stop(
        "Where they differ",
        "Every pixel where the two give another class is marked: borders, mostly. Zoom in with the wheel.",
        _COMPARE,
        {"view": "disagreement"},
    ),
    Stop(
        "What it costs",
        "A country mapped once a year, by each of them: from speeds that were measured on this machine.",
        "views/cost/page.py",
    ),
    Stop(
        "Distil one yourself",
        "Press Launch: how long it takes stands above it. Runs then shows how your student learns.",
        "views/distill/page.py",
        {state.PRESET: "quick"},
    ),
)
_PRESENTING = "presenting"
_STYLE = """<style>
:root { --kept-below: 4.5rem; }
[data-testid="stMain"] div:has(> .st-key-tour) { position: sticky; bottom: 0.5rem; order: 99; z-index: 30; }
.st-key-tour { padding: 0.5rem 0.9rem; border: 1px solid var(--st-border-color, #8884); border-radius: 0.6rem;
  background: var(--st-background-color, Canvas); box-shadow: 0 2px 14px rgb(0 0 0 / 22%); }
.st-key-tour :is(p, [data-testid="stMarkdownContainer"]) { margin: 0; line-height: 1.3; font-size: 0.9rem; }
@media (min-width: 1000px) { .st-key-tour { flex-wrap: nowrap; }
  .st-key-tour > :has(> [data-testid="stMarkdown"]) { flex: 1 1 0; min-width: 0; } }
@media (max-width: 999px) { :root { --kept-below: 8rem; } .st-key-tour { padding: 0.4rem 0.6rem; } }
@media (max-width: 500px) { :root { --kept-below: 10.5rem; } }
/* A phone on its side: one line below the masks, whose buttons go by their words alone. */
@media (max-height: 480px) {
  :root { --kept-below: 3.5rem; }
  .st-key-tour { flex-wrap: nowrap; gap: 0.4rem; padding: 0.2rem 0.5rem; }
  .st-key-tour > :has(> [data-testid="stMarkdown"]) { flex: 1 1 0; min-width: 0; }
  .st-key-tour :is(p, [data-testid="stMarkdownContainer"]) { font-size: 0.72rem; line-height: 1.2; }
  .st-key-tour [data-has-shortcut] > span:has([data-testid="stIconMaterial"]) { display: none; }
  .st-key-tour button { min-height: 1.9rem; padding: 0 0.4rem; }
}
</style>"""
_ALONE = """<style>
:is([data-testid="stSidebar"], [data-testid="stHeader"]) { display: none; }
[data-testid="stMainBlockContainer"] { padding-top: 1rem; }
</style>"""


def tour_button() -> None:
    """Where the tour begins."""
    if st.button("Tour of two minutes", icon=":material/tour:", key="tour_start", type="tertiary"):
        _go(0)


def tour() -> None:
    """Before a page: its step of the tour, where the link asks for one, and the presenter's view."""
    presenting = _presenting()
    if presenting:
        st.html(_ALONE)
    asked = state.linked(state.TOUR)
    at = int(asked) - 1 if asked in {str(number) for number in range(1, len(STEPS) + 1)} else None
    # Always there, and not shown while it is empty: the page below keeps its positions (see `sections`).
    place = st.container(key="tour", horizontal=True, vertical_alignment="center", gap="small")
    if at is None and not presenting:
        return
    st.html(_STYLE)
    with place:
        if at is None:
            if st.button("Tour of two minutes", icon=":material/tour:", key="tour_here"):
                _go(0)
        else:
            _step(at)
        _leave(at, presenting=presenting)


def _step(at: int) -> None:
    step = STEPS[at]
    title = f"{at + 1} of {len(STEPS)} · {step.title}"
    st.markdown(f"**{plain(title)}** \u2002{plain(step.told)}", width="stretch")
    if at and st.button("Back", icon=":material/arrow_back:", key="tour_back"):
        _go(at - 1)
    if at + 1 < len(STEPS) and st.button("Next", icon=":material/arrow_forward:", key="tour_next", type="primary"):
        _go(at + 1)


def _leave(at: int | None, *, presenting: bool) -> None:
    if not presenting and st.button(
        "Present",
        icon=":material/slideshow:",
        key="tour_present",
        help="Hide the sidebar, for a screen in front of people.",
    ):
        st.session_state[_PRESENTING] = True
        st.rerun()
    label = "Leave" if at is not None else "Show the sidebar"
    if st.button(plain(label), icon=":material/close:", key="tour_leave"):
        st.session_state[_PRESENTING] = False
        for name in (state.TOUR, state.PRESENT):
            st.query_params.pop(name, None)
        st.rerun()


def _presenting() -> bool:
    """What the link says, else what was chosen in this visit; the link is kept in step."""
    if state.linked(state.PRESENT):
        st.session_state[_PRESENTING] = state.linked(state.PRESENT) != "0"
    presenting = bool(st.session_state.get(_PRESENTING))
    state.to_link(state.PRESENT, "1" if presenting else None, default=None)
    return presenting


def _go(at: int) -> None:
    step = STEPS[at]
    state.take_link()
    st.switch_page(step.page, query_params={**step.link, state.TOUR: str(at + 1)})
