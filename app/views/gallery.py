"""Gallery: a student beside its teacher on every picture of a collection, the worst first."""

from collections.abc import Sequence

import streamlit as st

from app import caching, state
from app.components import say
from app.components.empty import empty_state
from app.components.guard import page
from app.components.linked import linked_select
from app.components.pair_choice import choose_pair
from app.components.picture_choice import scene_title
from app.components.sign_in import person
from app.services import access, artifacts, collections, galleries
from app.services.artifacts import Model
from app.services.collections import Entry
from app.services.errors import DataError
from app.services.galleries import Verdict

_SEEN = "gallery_seen"
_AT_ONCE = 24
_MOST_TOLD = 5
_SHOWN = "gallery_shown"
_EVERY = "Every class"


def main() -> None:
    st.title("Gallery", anchor=False)
    st.caption("One student beside its teacher on many images, the worst first. Pink is where the two differ.")
    models, titles = artifacts.models(), collections.titles()
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
        folder = _choose_folder() if collection == collections.FOLDER else ""
    entries = collections.entries(collection, folder)
    with controls[1]:
        chosen = _choose_part(entries)
    pair = choose_pair(models, controls[2], controls[3])
    if pair is None:
        empty_state(
            "No student yet", "Train one on the page Distill, or choose a teacher whose classes a student shares."
        )
        return
    teacher, student = pair
    found = _look(collection, folder, chosen, teacher=teacher, student=student)
    if found:
        link = {state.SOURCE: "set", state.COLLECTION: collection, **({state.FOLDER: folder} if folder else {})}
        _show(found, {**link, state.TEACHER: teacher.name, state.STUDENTS: student.name, "view": "disagreement"})


def _choose_folder() -> str:
    return st.text_input(
        "Folder",
        key=state.FOLDER,
        bind="query-params",
        help="Below the folder that this server's operator opened. It holds images/ and, where known, masks/.",
    )


def _choose_part(entries: Sequence[Entry]) -> list[Entry]:
    there = [use for use in collections.USES if any(entry.use == use for entry in entries)]
    if not there:
        st.selectbox("Part", ["All"], disabled=True)
        return list(entries)
    default = "validate" if "validate" in there else "all"
    use = linked_select(
        "Part", ["all", *there], name=state.USE, default=default, title=lambda name: collections.USES[name]
    )
    return [entry for entry in entries if use in ("all", entry.use)]


def _look(collection: str, folder: str, entries: list[Entry], *, teacher: Model, student: Model) -> list[Verdict]:
    """Every verdict; asks first, because new pictures take a while."""
    key = (collection, folder, tuple(entry.name for entry in entries), teacher.identity, student.identity)
    seen = st.session_state.setdefault(_SEEN, set())
    place = st.empty()
    if key not in seen and not place.button(
        f"Look at {len(entries)} images", type="primary", icon=":material/play_arrow:"
    ):
        place_note = "Both models run on every image: about a second for each, once. What was looked at before is kept."
        say.caption(place_note)
        return []
    if key not in seen:
        access.RATES.take(person(), "gallery images", access.read_access().gallery_images_an_hour, len(entries))
    found, problems = [], []
    bar = place.progress(0.0, text="The models look at the images …")
    for done, entry in enumerate(entries, start=1):
        try:
            picture = caching.of_collection(collection, entry.name, folder)
            found.append(caching.verdict(picture, (teacher, student)))
        except DataError as error:
            problems.append(str(error))
        if key not in seen:
            bar.progress(done / len(entries), text=f"{done:d} of {len(entries)} images")
    place.empty()
    if problems:
        left_out = f"{len(problems)} of {len(entries)} images are left out. {problems[0]}"
        say.warning(left_out, *problems[1:_MOST_TOLD], icon=":material/image_not_supported:")
    seen.add(key)
    return found


def _show(found: list[Verdict], link: dict[str, str]) -> None:
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
    most = st.session_state.setdefault(_SHOWN, _AT_ONCE)
    for first in range(0, min(most, len(ordered)), 4):
        for column, verdict in zip(st.columns(4), ordered[first : first + 4], strict=False):
            with column.container(border=True):
                _card(verdict, class_name, link)
    if most < len(ordered) and st.button(f"Show {min(_AT_ONCE, len(ordered) - most):d} more"):
        st.session_state[_SHOWN] = most + _AT_ONCE
        st.rerun()


def _summary(ordered: list[Verdict], class_name: str | None) -> str:
    if not ordered:
        return "This class occurs in none of these images."
    agreed = sum(verdict.agreement for verdict in ordered) / len(ordered)
    where = f" with {class_name}" if class_name else ""
    return f"{len(ordered)} images{where}, the models agree on {100 * agreed:.1f} % of the pixels on average."


def _card(verdict: Verdict, class_name: str | None, link: dict[str, str]) -> None:
    title = scene_title(verdict.name)
    told = f"{100 * (1 - verdict.agreement):.1f} % of the pixels differ"
    st.image(verdict.thumbnail, width="stretch", alt=f"{title}: {told}")
    say.titled(title, told, *_scores(verdict, class_name))
    if st.button("Open in the viewer", key=f"open {verdict.name}", width="stretch"):
        st.switch_page("views/compare.py", query_params={**link, state.PICTURE: verdict.name})


def _scores(verdict: Verdict, class_name: str | None) -> list[str]:
    lines = []
    if verdict.student is not None and verdict.teacher is not None:
        lines.append(f"mIoU {100 * verdict.student:.1f} %, teacher {100 * verdict.teacher:.1f} %")
    if class_name is not None and (iou := verdict.per_class[class_name]) is not None:
        against = "" if verdict.student is not None else " with the teacher"
        lines.append(f"IoU of {class_name}{against} {100 * iou:.1f} %")
    return lines


page(main)
