"""Gallery: a student beside its teacher on every picture of a collection, the worst first."""

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import caching, state
from app.components import say
from app.components.empty import empty_state
from app.components.guard import page
from app.components.linked import linked_select
from app.components.picture_choice import choose_pair, scene_title
from app.components.sections import sections
from app.components.sign_in import person
from app.services import access, artifacts, galleries, picture_collections
from app.services.artifacts import Model
from app.services.figure_texts import share
from app.services.galleries import PairScores, Pass
from app.services.names import plain
from app.services.picture_collections import CollectionEntry
from app.visitor import owner
from core.errors import DataError

_PASSES = "gallery_passes"
_MOST_PASSES = 16
_ACROSS = 4
_AT_ONCE = 24
_MOST_TOLD = 5
_SHOWN = "gallery_shown"
_EVERY = "Every class"
# The button of a card takes presses on all of the card, the picture too.
_STYLE = """<style>
[class*="st-key-card_"] { position: relative; }
[class*="st-key-card_"] :is(button[kind="secondary"], :has(button[kind="secondary"])) { position: static; }
[class*="st-key-card_"] button[kind="secondary"]::after {
  content: ""; position: absolute; inset: 0; z-index: 1; cursor: pointer; }
[class*="st-key-card_"]:has(button[kind="secondary"]:hover) { border-color: var(--st-primary-color, currentcolor); }
[class*="st-key-card_"] [data-testid="stElementToolbar"] { display: none; }
</style>"""


def main() -> None:
    st.title("Gallery", anchor=False)
    st.caption("One student beside its teacher on many images, the worst first. Pink is where the two differ.")
    models, titles = artifacts.models(owner()), picture_collections.titles(owner())
    if not models or not titles:
        empty_state(
            "Nothing to compare yet",
            "A gallery needs models in `checkpoints/` and images: `sample_images/`, or the Dubai images, "
            "which `python -m core data download` fetches.",
        )
        return
    controls = st.columns([1, 0.8, 1.4, 1.4], gap="medium")
    with controls[0]:
        collection = linked_select(
            "Images", list(titles), name=state.COLLECTION, title=lambda name: titles[name], always=True
        )
        folder = _choose_folder() if collection == picture_collections.FOLDER else ""
    entries = picture_collections.entries(collection, folder, owner())
    with controls[1]:
        chosen = _choose_part(entries)
    pair = choose_pair(models, controls[2], controls[3])
    if pair is None:
        empty_state(
            "No student yet", "Train one on the page Distill, or choose a teacher whose classes a student shares."
        )
        return
    teacher, student = pair
    st.html(_STYLE)
    going, order, cards = sections(3)
    with going:
        found = _compare(collection, folder, chosen, cards, teacher=teacher, student=student)
    if found:
        with order:
            ordered, class_name = _order(found)
        with cards:
            _cards(ordered, class_name, _link(collection, folder, teacher=teacher, student=student))


def _choose_folder() -> str:
    return st.text_input(
        "Folder",
        key=state.FOLDER,
        bind="query-params",
        help="Below the folder that the operator opened. It holds pictures, or images/ and, where known, masks/.",
    )


def _choose_part(entries: Sequence[CollectionEntry]) -> list[CollectionEntry]:
    there = [use for use in picture_collections.USES if any(entry.use == use for entry in entries)]
    if not there:
        st.selectbox("Part", ["All"], disabled=True)
        return list(entries)
    default = "validate" if "validate" in there else "all"
    use = linked_select(
        "Part", ["all", *there], name=state.USE, default=default, title=lambda name: picture_collections.USES[name]
    )
    return [entry for entry in entries if use in ("all", entry.use)]


def _compare(
    collection: str,
    folder: str,
    entries: list[CollectionEntry],
    cards: DeltaGenerator,
    *,
    teacher: Model,
    student: Model,
) -> list[PairScores]:
    """Every verdict so far; asks first, because new pictures take a while, and can be stopped and gone on with.

    While pictures are still to come it draws them in `cards` itself, as they come, and then runs the page anew.
    """
    wanted = tuple(entry.name for entry in entries)
    key = (collection, folder, wanted, teacher.identity, student.identity)
    passes: dict[object, Pass] = st.session_state.setdefault(_PASSES, {})

    def verdict(name: str) -> PairScores:
        picture = caching.of_collection(collection, name, folder)
        return caching.verdict(picture.known_to(teacher.classes), (teacher, student))

    going = passes.get(key)
    if going is None:
        if not st.button(
            f"Compare on {len(wanted)} images", type="primary", icon=":material/play_arrow:", key="compare"
        ):
            say.caption(
                "Both models run on every image: about a second for each, once. What was compared before is kept."
            )
            return []
        access.RATES.take(person(), "gallery images", access.read_access().gallery_images_an_hour, len(wanted))
        going = passes[key] = Pass(wanted)
        while len(passes) > _MOST_PASSES:
            del passes[next(iter(passes))]
    if going.left and not going.stopped:
        link = _link(collection, folder, teacher=teacher, student=student)
        _go_on(going, verdict, cards, lambda found: _card(found, None, link))
    if going.left and st.button("Go on", icon=":material/play_arrow:", key="go_on"):
        going.stopped = False
        st.rerun()
    _tell(going)
    return [verdict(name) for name in going.found]


def _go_on(
    going: Pass, verdict: Callable[[str], PairScores], cards: DeltaGenerator, draw: Callable[[PairScores], None]
) -> None:
    """Work through what is left. Each card is drawn when it is ready; any press on the page stops this run of it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        bar = st.empty()
        st.button("Cancel", key="cancel_look", icon=":material/block:", on_click=_stop, args=(going,))
    drawn = 0
    columns: list[DeltaGenerator] = []

    def place(found: PairScores) -> None:
        nonlocal drawn, columns
        if drawn % _ACROSS == 0:
            columns = cards.columns(_ACROSS)
        with columns[drawn % _ACROSS]:
            draw(found)
        drawn += 1

    def tell() -> None:
        done = len(going.names) - len(going.left)
        bar.progress(done / len(going.names), text=plain(f"{done} of {len(going.names)} images"))

    tell()
    for name in going.found[:_AT_ONCE]:
        place(verdict(name))
    while going.left:
        name = going.left[0]
        try:
            found = verdict(name)
        except DataError as error:
            going.done[name] = str(error)
        else:
            going.done[name] = None
            if drawn < _AT_ONCE:
                place(found)
        tell()
    # Now that all are there: the worst first.
    st.rerun()


def _stop(going: Pass) -> None:
    going.stopped = True


def _tell(going: Pass) -> None:
    if going.left:
        say.info(
            f"Stopped after {len(going.names) - len(going.left)} of {len(going.names)} images.",
            icon=":material/block:",
        )
    if going.problems:
        first, *others = going.problems[:_MOST_TOLD]
        left_out = f"{len(going.problems)} of {len(going.names)} images are left out. {first}"
        say.warning(left_out, *others, icon=":material/image_not_supported:")


def _link(collection: str, folder: str, *, teacher: Model, student: Model) -> dict[str, str]:
    """The viewer's address for a picture of this collection."""
    link = {state.SOURCE: "set", state.COLLECTION: collection, **({state.FOLDER: folder} if folder else {})}
    return {**link, state.TEACHER: teacher.name, state.STUDENTS: student.name, "view": "disagreement"}


def _order(found: list[PairScores]) -> tuple[list[PairScores], str | None]:
    """The worst first, by what is chosen here; and the class that it is about, None for every class."""
    known = any(verdict.student is not None for verdict in found)
    orders = galleries.ORDERS if known else {"disagreement": galleries.ORDERS["disagreement"]}
    classes = [_EVERY, *found[0].per_class]
    left, middle, right = st.columns([1, 1, 2.2], gap="medium", vertical_alignment="bottom")
    with left:
        order = linked_select("Worst by", list(orders), name=state.ORDER, title=lambda name: orders[name])
    with middle:
        wanted = linked_select("Class", classes, name=state.CLASS)
    class_name = None if wanted == _EVERY else wanted
    ordered = galleries.worst_first(found, order=order, class_name=class_name)
    with right:
        say.text(_summary(ordered, class_name))
    return ordered, class_name


def _cards(ordered: list[PairScores], class_name: str | None, link: dict[str, str]) -> None:
    most = st.session_state.setdefault(_SHOWN, _AT_ONCE)
    shown = ordered[:most]
    for first in range(0, len(shown), _ACROSS):
        for column, verdict in zip(st.columns(_ACROSS), shown[first : first + _ACROSS], strict=False):
            with column:
                _card(verdict, class_name, link)
    if most < len(ordered) and st.button(f"Show {min(_AT_ONCE, len(ordered) - most):d} more"):
        st.session_state[_SHOWN] = most + _AT_ONCE
        st.rerun()


def _summary(ordered: list[PairScores], class_name: str | None) -> str:
    if not ordered:
        return "This class occurs in none of these images."
    agreed = sum(verdict.agreement for verdict in ordered) / len(ordered)
    where = f" with {class_name}" if class_name else ""
    return f"{len(ordered)} images{where}, the models agree on {share(agreed)} of the pixels on average."


def _card(verdict: PairScores, class_name: str | None, link: dict[str, str]) -> None:
    title = scene_title(verdict.name)
    told = f"{share(1 - verdict.agreement)} of the pixels differ"
    with st.container(border=True, key=f"card_{verdict.name}"):
        st.image(verdict.thumbnail, width="stretch", alt=f"{title}: {told}")
        say.titled(title, told, *_scores(verdict, class_name))
        if st.button("Open in the viewer", key=f"open {verdict.name}", width="stretch"):
            st.switch_page("views/compare/page.py", query_params={**link, state.PICTURE: verdict.name})


def _scores(verdict: PairScores, class_name: str | None) -> list[str]:
    lines = []
    if verdict.student is not None and verdict.teacher is not None:
        lines.append(f"mIoU {share(verdict.student)}, teacher {share(verdict.teacher)}")
    if class_name is not None and (iou := verdict.per_class[class_name]) is not None:
        against = "" if verdict.student is not None else " with the teacher"
        lines.append(f"IoU of {class_name}{against} {share(iou)}")
    return lines


if __name__ == "__main__":
    page(main)
