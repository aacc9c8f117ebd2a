"""A class map is refused when it is made, not found wrong in the middle of a run."""

import pytest

from core.classes import MOST_CLASSES, UNLABELLED_COLOUR, ClassMap, colours_for
from core.data.datasets.dubai import AERIAL
from core.errors import ConfigError
from tests.colour_vision import SEEN, closest

GREY = ((0, 0, 0), (1, 1, 1), (2, 2, 2))


def test_the_aerial_classes_are_those_of_the_masks() -> None:
    """Colours as the Dubai masks really hold them: 3C1098 8429F6 6EC1E4 FEDD3A E2A929 9B9B9B."""
    codes = ["".join(f"{channel:02X}" for channel in colour) for colour in AERIAL.colours]
    assert codes == ["3C1098", "8429F6", "6EC1E4", "FEDD3A", "E2A929", "9B9B9B"]
    assert AERIAL.scored_names == ("Building", "Land", "Road", "Vegetation", "Water")
    assert AERIAL.outputs == AERIAL.ignore_index == 5


def test_json_and_back() -> None:
    assert ClassMap.from_json(AERIAL.to_json()) == AERIAL


@pytest.mark.parametrize(
    ("names", "colours", "ignore_index", "said"),
    [
        (("a", "b", "c"), GREY[:2], 2, "3 class names but 2 colours"),
        (("a", "b", "c"), GREY, 0, "must be the last one, index 2"),
        (("a", "b"), GREY[:2], 1, "At least two classes"),
        (("a", "a", "c"), GREY, 2, "a is there twice"),
        (("a", "b", "c"), (*GREY[:2], (0, 0, 256)), 2, "from 0 to 255"),
        (("a", "b", "c"), (*GREY[:2], (0, -1, 0)), 2, "from 0 to 255"),
        (tuple(map(str, range(257))), ((0, 0, 0),) * 257, 256, "256 classes at most"),
    ],
)
def test_an_impossible_map_is_refused(
    names: tuple[str, ...], colours: tuple[tuple[int, int, int], ...], ignore_index: int, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        ClassMap(names=names, colours=colours, ignore_index=ignore_index)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ClassMap(names=("a", "b"), colours=GREY, ignore_index=0)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"names": ["a"], "colours": [[0, 0]], "ignore_index": 0},
        {"names": 3, "colours": [], "ignore_index": 0},
        {"names": ["a", "b", "c"], "colours": ["red", "blue", "grey"], "ignore_index": 2},
        {"names": ["a", "b", "c"], "colours": GREY, "ignore_index": None},
        [],
        None,
    ],
)
def test_what_is_no_map_is_refused_in_words(data: object) -> None:
    with pytest.raises(ConfigError, match="names, colours and ignore_index"):
        ClassMap.from_json(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", range(1, 13))
def test_colours_up_to_twelve_are_told_apart_with_every_deficiency(count: int) -> None:
    shown = (*colours_for(count), UNLABELLED_COLOUR)
    assert min(closest(shown, matrix) for matrix in SEEN.values()) >= 25  # CIELAB; about 2 can just be seen


@pytest.mark.parametrize("count", [13, 25, 40])
def test_colours_up_to_forty_are_told_apart(count: int) -> None:
    assert closest((*colours_for(count), UNLABELLED_COLOUR), SEEN["normal"]) >= 25


@pytest.mark.parametrize("count", [0, 41, MOST_CLASSES])
def test_every_class_has_a_colour_of_its_own(count: int) -> None:
    found = colours_for(count)
    assert len({*found, UNLABELLED_COLOUR}) == len(found) + 1 == count + 1
    assert found == colours_for(count)
