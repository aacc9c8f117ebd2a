"""Session keys and query parameters: a link reproduces what is on the screen. No other file spells them out."""

import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from app import streamlit_private
from app.services.names import shown as readable
from app.services.palettes import PALETTES, Palette

# Names in the link. Numbers and switches bind themselves to it (bind="query-params", where key and name are one); menus
# show titles, and Streamlit would put those into the link, so menus go through `from_link` and `to_link`. Streamlit
# forgets a menu when its page is left, so what it last held is kept beside it; the link goes before that.
SOURCE: Final = "from"
SCENE: Final = "scene"
TEACHER: Final = "teacher"
STUDENTS: Final = "students"
COLLECTION: Final = "set"
FOLDER: Final = "folder"
PICTURE: Final = "picture"
USE: Final = "part"
ORDER: Final = "order"
CLASS: Final = "class"
STUDENT: Final = "student"
PLACE: Final = "window"
TEMPERATURE: Final = "t"
RUN: Final = "run"
SEARCH: Final = "search"
MODEL: Final = "model"
BENCHMARK: Final = "benchmark"
SETTING: Final = "setting"
RUNTIME: Final = "runtime"
SCENARIO: Final = "map"
AXIS: Final = "cost"
PRESET: Final = "preset"
HAVE: Final = "have"
STANDS: Final = "stands"
COLOURS: Final = "colours"
LOSSES: Final = "losses"
GOAL: Final = "goal"
DATASET: Final = "dataset"
MASKS_OF: Final = "masks_of"
TOUR: Final = "tour"
PRESENT: Final = "present"
NOTHING: Final = "none"
"""How the link writes what was emptied on purpose; nothing at all in the link means the default."""

# What the viewer reports about itself; short, because they end up in links.
VIEW_OPACITY: Final = "opacity"
VIEW_HIDDEN: Final = "hidden"
VIEW_PAIR: Final = "pair"
VIEW_REGION: Final = "region"
VIEW_CAMERA: Final = "at"
VIEW_SPLIT: Final = "split"
VIEW_CELL: Final = "cell"
VIEW_CONFUSION: Final = "confusion"
# Name in the viewer → name in the link, and what it may be; the first is the default.
_VIEW_CHOICES: Final = {
    "layer": ("view", ("classes", "disagreement", "confidence", "entropy", "members", "errors")),
    "layout": ("layout", ("side", "swipe", "blink", "overlay")),
    "colours": (COLOURS, PALETTES),
}
_AGAINST: Final = ("truth", "teacher")

_MISSED, _PAGE, _DRAWN, _TAKEN = "link_missed", "link_page", "menus_drawn", "link_taken"

_LOG = logging.getLogger("terrastill.app")


def from_link(key: str, name: str, options: Collection[str], default: str | None) -> None:
    """Before a menu is drawn: start it with what the link says, else with what it last held, else with its default."""
    if went_back():
        st.session_state[key] = st.query_params.get(name) if st.query_params.get(name) in options else default
    elif key not in st.session_state or st.session_state[key] not in options:
        wanted = (st.query_params.get(name), last(key, None))
        st.session_state[key] = next((value for value in wanted if value in options), default)
    elif st.session_state.setdefault(_DRAWN, {}).get(key) != st.session_state.get(_PAGE):
        # What is left of a menu of this key on another page: without this the menu would start with its first option.
        st.session_state[key] = st.session_state[key]
    st.session_state.setdefault(_DRAWN, {})[key] = st.session_state.get(_PAGE)
    remember(key, st.session_state[key])


def many_from_link(key: str, name: str, options: Collection[str], default: Sequence[str], *, most: int) -> None:
    """The same for a menu of `most` values; what is no option any more is dropped, and so is what is too many."""
    if key in st.session_state and not went_back():
        wanted = st.session_state[key]
    elif name in st.query_params:
        asked = st.query_params.get_all(name)
        none_left = asked != [NOTHING] and not any(value in options for value in asked)
        wanted = default if none_left else asked
        _miss_some(name, asked, options, most, usual=none_left)
    else:
        wanted = default if went_back() else last(key, default)
    st.session_state[key] = [value for value in wanted if value in options][:most]
    remember(key, st.session_state[key])


def number_from_link(key: str, name: str, default: int | None) -> None:
    """The same for a whole number that may be left empty."""
    if key not in st.session_state or went_back():
        text = st.query_params.get(name, "")
        number = text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 16
        otherwise = default if went_back() else last(key, default)
        st.session_state[key] = None if text == NOTHING else int(text) if number else otherwise
        if text and text != NOTHING and not number:
            miss(name, f"The link asks for {name} {readable(text)}, which is no whole number; the usual value is used.")
    remember(key, st.session_state[key])


def went_back() -> bool:
    """Whether the link goes before what the page holds: after the browser's Back or Forward, and `take_link`."""
    return streamlit_private.is_back_or_forward() or bool(st.session_state.get(_TAKEN))


def take_link() -> None:
    """Before another page is opened: it shows what its link says, whatever it held before."""
    st.session_state[_TAKEN] = True


def page_drawn() -> None:
    """After a page was drawn: from now on what a person chooses on it goes before its link."""
    st.session_state.pop(_TAKEN, None)


def open_page(page: str) -> None:
    """Before a page is drawn: what a link to another page could not give is no longer told."""
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE], st.session_state[_MISSED] = page, {}


def miss(name: str, sentence: str) -> None:
    """Note that this part of the link cannot be given; `sentence` says so, and what is shown instead."""
    st.session_state.setdefault(_MISSED, {}).setdefault(name, (sentence, st.query_params.get_all(name), None))


def missed() -> list[str]:
    """After a page was drawn: what of the link could not be given, until that part of the link changes."""
    kept = {}
    for name, (sentence, asked, answer) in st.session_state.get(_MISSED, {}).items():
        now = st.query_params.get_all(name)
        if answer is None or now in (asked, answer):
            kept[name] = (sentence, asked, now if answer is None else answer)
    st.session_state[_MISSED] = kept
    return [sentence for sentence, _, _ in kept.values()]


def _miss_some(name: str, wanted: Sequence[str], options: Collection[str], most: int, *, usual: bool) -> None:
    gone_ones = [readable(value) for value in wanted if value not in options and value != NOTHING]
    there = [value for value in wanted if value in options]
    sentences = []
    instead = "; the usual ones are shown instead" if usual else ""
    if gone_ones:
        sentences.append(f"The link asks for {', '.join(gone_ones)} ({name}), which cannot be shown here{instead}.")
    if len(there) > most:
        sentences.append(f"The link asks for {len(there)} {name}; the first {most} are shown.")
    if sentences:
        miss(name, " ".join(sentences))


def linked(name: str) -> str:
    """What the link says, as text; empty where it says nothing."""
    return str(st.query_params.get(name, ""))


def place_from_link() -> tuple[float, float]:
    """Which place is shown: fractions of the picture's width and height, the middle where the link says nothing."""
    numbers = _numbers(PLACE)
    if len(numbers) == 2:
        return min(numbers[0], 1000) / 1000, min(numbers[1], 1000) / 1000
    if linked(PLACE):
        miss(PLACE, f"The link names no place in the image ({readable(linked(PLACE))}): the middle is shown.")
    return 0.5, 0.5


def place_to_link(across: float, down: float) -> None:
    to_link(PLACE, f"{round(1000 * across)}.{round(1000 * down)}", default="500.500")


def temperature_from_link(default: float, *, least: float, most: float) -> float:
    text = linked(TEMPERATURE)
    number = _number(text, math.nan)
    if text and not least <= number <= most:
        miss(TEMPERATURE, f"The link asks for temperature {readable(text)}; it is from {least:g} to {most:g} here.")
    return default if math.isnan(number) else min(most, max(least, number))


def remember(key: str, value: Any) -> None:
    """Keep what a widget holds for when its page is opened again."""
    st.session_state[f"last_{key}"] = value


def forget(*keys: str) -> None:
    """Let widgets start from their defaults when their page is opened again."""
    for key in keys:
        st.session_state.pop(f"last_{key}", None)


def last(key: str, otherwise: Any) -> Any:
    """What a widget held before its page was left."""
    return st.session_state.get(f"last_{key}", otherwise)


def gone(key: str, name: str, options: Collection[str]) -> bool:
    """Before a menu is drawn: whether the link names what is no option, and no choice on the page goes before it."""
    free = went_back() or st.session_state.get(key) not in options
    return free and name in st.query_params and st.query_params[name] not in options


def to_link(name: str, value: str | Sequence[str] | None, *, default: str | Sequence[str] | None) -> None:
    """After a menu was drawn: keep the link in step, and free of defaults."""
    if value is None or value == default:
        st.query_params.pop(name, None)
        return
    wanted = [value] if isinstance(value, str) else list(value) or [NOTHING]
    if st.query_params.get_all(name) != wanted:
        st.query_params[name] = wanted


def weights_from_link(name: str, usual: Mapping[str, float]) -> dict[str, float] | None:
    """What the link says about weights by name, `soft_targets:1,hint:2`; None where it says nothing that is known.

    Names outside `usual` are left out, and what is no number is the usual weight. Out of range is not judged here.
    """
    if name not in st.query_params:
        return None
    text = st.query_params[name]
    pairs = (part.partition(":") for part in text.split(",") if part)
    asked = {key: weight for key, _, weight in pairs}
    found = {key: _number(weight, usual[key]) for key, weight in asked.items() if key in usual}
    if unknown := [readable(key) for key in asked if key not in usual]:
        miss(name, f"The link asks for {', '.join(unknown)} ({name}), which is not known here; it is left out.")
    return found if found or not text else None


def weights_for_link(weights: Mapping[str, float]) -> str:
    """The same the other way round, in full precision."""
    return ",".join(f"{name}:{str(float(weight)).removesuffix('.0')}" for name, weight in weights.items())


def pairs_from_link(name: str, left: Sequence[str], right: Collection[str]) -> dict[str, str] | None:
    """What the link says about pairs of names, `left:right` each; None where it says nothing that is known here.

    What `pairs_to_link` wrote for another `right` or `left` is not taken for what somebody asked for.
    """
    asked = st.query_params.get_all(name)
    if not asked or asked == last(name, None):
        return None
    known = {f"{one}:{other}": (one, other) for one in left for other in right}
    if unknown := [readable(pair) for pair in asked if pair not in known]:
        miss(name, f"The link asks for {', '.join(unknown)} ({name}), which is not known here; it is left out.")
    return dict(known[pair] for pair in asked if pair in known) or None


def pairs_to_link(name: str, pairs: Mapping[str, str], *, default: Mapping[str, str]) -> None:
    """Keep pairs in the link while they are not the usual ones."""
    told = pairs_for_link(pairs)
    to_link(name, told or None, default=pairs_for_link(default))
    remember(name, told)


def pairs_for_link(pairs: Mapping[str, str]) -> list[str]:
    """How the link writes them."""
    return [f"{one}:{other}" for one, other in pairs.items()]


def _number(text: str, otherwise: float) -> float:
    try:
        number = float(text)
    except ValueError:
        return otherwise
    return number if math.isfinite(number) else otherwise


@dataclass
class Shown:
    """The colours of a session. Downloads hold on to it, and read it when they are pressed: the viewer changes it
    without a run of the page that drew their buttons."""

    palette: Palette = PALETTES[0]


def shown() -> Shown:
    """The one choice of this session; the link goes first."""
    held: Shown = st.session_state.setdefault("shown_colours", Shown())
    asked = st.query_params.get(COLOURS)
    held.palette = next((palette for palette in PALETTES if palette == asked), held.palette)
    return held


def choose_palette(palette: Palette) -> None:
    """For this session, and in the link."""
    to_link(COLOURS, palette, default=PALETTES[0])
    shown().palette = palette


def viewer_state() -> dict[str, Any]:
    """What the link says about the viewer, in the viewer's own names (app/web/viewer/). Nonsense is left out.

    `layout`, `layer`, `colours`; `opacity` 0..100; `hidden` class indices; `a`, `b` panel indices; `split` 0..1;
    `region`, `camera` and `cell` as objects; `pair` names a model and against whom its confusion is counted.
    """
    found: dict[str, Any] = {}
    for name, (key, choices) in _VIEW_CHOICES.items():
        if (value := st.query_params.get(key)) in choices:
            found[name] = value
    if (opacity := st.query_params.get(VIEW_OPACITY, "")).isdecimal():
        found["opacity"] = min(int(opacity), 100)
    if (hidden := _numbers(VIEW_HIDDEN)) and all(index < 256 for index in hidden):
        found["hidden"] = [int(index) for index in hidden]
    if len(pair := _numbers(VIEW_PAIR)) == 2:
        found["a"], found["b"] = (int(index) for index in pair)
    if len(part := _numbers(VIEW_REGION)) == 4:
        found["region"] = dict(zip(("x", "y", "width", "height"), (int(value) for value in part), strict=True))
    if len(camera := _numbers(VIEW_CAMERA)) == 3:
        found["camera"] = dict(zip(("x", "y", "zoom"), (value / 1000 for value in camera), strict=True))
    if len(split := _numbers(VIEW_SPLIT)) == 1:
        found["split"] = min(split[0], 1000) / 1000
    found |= _confusion()
    _miss_of_view(found)
    return found


def _miss_of_view(found: Mapping[str, Any]) -> None:
    """Say which parts of the link the viewer cannot give."""
    parts = {key: name for name, (key, _) in _VIEW_CHOICES.items()}
    parts |= {VIEW_OPACITY: "opacity", VIEW_HIDDEN: "hidden", VIEW_PAIR: "a", VIEW_REGION: "region"}
    parts |= {VIEW_CAMERA: "camera", VIEW_SPLIT: "split", VIEW_CELL: "cell", VIEW_CONFUSION: "pair"}
    for key, name in parts.items():
        if linked(key) and name not in found:
            miss(key, f"The link's {key}={readable(linked(key))} is not known to the viewer: its usual state is shown.")


def _confusion() -> dict[str, Any]:
    """The chosen cell of a confusion matrix, `truth.0.2`, and the chosen matrix, `1.truth`."""
    found: dict[str, Any] = {}
    against, _, place = st.query_params.get(VIEW_CELL, "").partition(".")
    if against in _AGAINST and len(cell := _whole(place)) == 2 and max(cell) < 256:
        found["cell"] = {"against": against, "wanted": cell[0], "found": cell[1]}
    model, _, against = st.query_params.get(VIEW_CONFUSION, "").partition(".")
    if against in _AGAINST and len(_whole(model)) == 1:
        found["pair"] = f"{int(model)}.{against}"
    return found


def _numbers(key: str) -> list[int]:
    return _whole(st.query_params.get(key, ""))


def _whole(text: str) -> list[int]:
    """Whole numbers with dots between them; empty where the text is anything else."""
    texts = text.split(".")
    return [int(part) for part in texts] if all(part.isdecimal() and len(part) < 7 for part in texts) else []


def remember_viewer(view: dict[str, Any] | None) -> None:
    """Write what the viewer reports into the link, leaving out what is at its default."""
    if not view:
        return
    choose_palette("colour" if view.get("colours") == "colour" else "safe")
    for name, (key, choices) in _VIEW_CHOICES.items():
        to_link(key, str(view.get(name, choices[0])), default=choices[0])
    to_link(VIEW_OPACITY, str(int(view.get("opacity", 60))), default="60")
    to_link(VIEW_HIDDEN, _dotted(view.get("hidden", ())), default="")
    pair = [side for side in (view.get("a"), view.get("b")) if side is not None]
    to_link(VIEW_PAIR, _dotted(pair) if len(pair) == 2 else "", default="")
    region = view.get("region") or {}
    to_link(VIEW_REGION, _dotted(region[side] for side in ("x", "y", "width", "height") if side in region), default="")
    camera = view.get("camera") or {}
    place = _dotted(round(1000 * camera[name]) for name in ("x", "y", "zoom") if name in camera)
    to_link(VIEW_CAMERA, place, default="500.500.1000")
    to_link(VIEW_SPLIT, str(round(1000 * float(view.get("split", 0.5)))), default="500")
    cell = view.get("cell") or {}
    to_link(VIEW_CELL, ".".join(str(cell[part]) for part in ("against", "wanted", "found") if part in cell), default="")
    to_link(VIEW_CONFUSION, str(view.get("pair") or ""), default="")


def _dotted(values: Iterable[float]) -> str:
    return ".".join(str(int(value)) for value in values)


def report_script_error(error: Exception) -> bool:
    """Log what nobody foresaw in full, and tell the visitor in a sentence. True: Streamlit shows nothing of its own."""
    _LOG.error("A page failed", exc_info=error)
    st.error("This page met an unexpected error. Reload it; if that does not help, the server's log has the details.")
    return True
