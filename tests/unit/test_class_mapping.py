"""Which of a teacher's classes stand for which of the data's: by name, as it was said, and told in a sentence."""

import pytest

from core.class_mapping import class_mapping
from core.errors import ConfigError

TEACHER = ("Building", "Land", "Road", "Water")


def test_the_same_classes_in_another_order_find_each_other() -> None:
    assert not class_mapping(TEACHER, TEACHER, {}).changes
    turned = class_mapping(TEACHER, TEACHER[::-1], {})
    assert (turned.to, turned.unknown) == ((3, 2, 1, 0), ())
    assert str(turned) == ""


def test_several_stand_for_one_and_the_rest_is_told() -> None:
    found = class_mapping(
        TEACHER, ("Ground", "Building", "Pond", "Path"), {"Land": "Ground", "Road": "Ground", "Water": ""}
    )
    assert found.to == (1, 0, 0, None)
    assert found.unknown == (2, 3)
    assert str(found) == (
        "The teacher's Land and Road stand for Ground. Where it finds Water, it has no word: the student learns from "
        "labels alone. It knows nothing of Pond and Path: only labels teach that."
    )
    assert found.told(taught_alone=True).endswith(
        "it has no word: the student learns nothing there. It knows nothing of Pond and Path: with alpha 0 the student "
        "never learns them, so raise alpha."
    )


@pytest.mark.parametrize(
    ("own", "said", "told"),
    [
        (("Building", "Ground"), {}, "knows the classes Building, Land, Road, Water, not those of the data"),
        (("a", "b"), {"Sand": "a"}, "The teacher has no class 'Sand'"),
        (("a", "b"), {"Land": "c"}, "The data has no class 'c'"),
        (("a", "b"), {"Land": ""}, "None of the teacher's classes stands for one"),
    ],
)
def test_what_cannot_be_meant_is_refused(own: tuple[str, ...], said: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        class_mapping(TEACHER, own, said)


def test_many_classes_are_told_in_short() -> None:
    with pytest.raises(ConfigError, match="c0, c1, c2, c3, c4 and 250 more"):
        class_mapping([f"c{number}" for number in range(255)], ("a", "b"), {})
