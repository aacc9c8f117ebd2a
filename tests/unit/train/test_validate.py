"""Validation scores whole scenes, shows one, and sees when a model has collapsed."""

import numpy as np
import torch
from torch import Tensor, nn

from core.data.datasets.dubai import AERIAL
from core.data.scene import Scene
from core.evaluate import evaluate
from core.normalise import Normaliser
from core.train.validate import Validation, validate

NORMAL = Normaliser.of((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), torch.device("cpu"))


class RedSaysClass(nn.Module):
    """Calls each pixel the class that its red channel holds, or `always`."""

    def __init__(self, always: int | None = None, bad: bool = False) -> None:
        super().__init__()
        self.always, self.bad = always, bad

    def forward(self, images: Tensor) -> Tensor:
        red = images[:, 0].long() if self.always is None else torch.full_like(images[:, 0], self.always).long()
        logits = nn.functional.one_hot(red, 5).permute(0, 3, 1, 2).float()
        return logits * float("nan") if self.bad else logits


def told(prediction: np.ndarray, truth: np.ndarray) -> Scene:
    return Scene("told", prediction.astype(np.uint8)[..., None].repeat(3, axis=2), truth.astype(np.uint8))


def run(model: nn.Module, *scenes: Scene) -> Validation:
    return validate(model, scenes, AERIAL, NORMAL, 4, lambda: False)


def truth(side: int = 40) -> np.ndarray:
    return np.arange(side * side).reshape(side, side) % 6


def test_scores_are_those_of_evaluation() -> None:
    random = np.random.default_rng(0)
    scenes = [told(random.integers(0, 5, (40, 40)), truth()), told(random.integers(0, 5, (20, 30)), truth(30)[:20])]
    expected = evaluate(RedSaysClass(), scenes, AERIAL, normaliser=NORMAL).scores
    assert run(RedSaysClass(), *scenes).scores == expected


def test_one_class_for_everything_is_a_collapse() -> None:
    assert run(RedSaysClass(always=3), told(truth() % 5, truth())).only_class == "Vegetation"


def test_logits_that_are_no_numbers_are_a_collapse() -> None:
    assert run(RedSaysClass(bad=True), told(truth() % 5, truth())).only_class is not None


def test_a_single_pixel_of_another_class_is_none() -> None:
    prediction = np.full((40, 40), 3)
    prediction[7, 7] = 1
    assert run(RedSaysClass(), told(prediction, truth())).only_class is None


def test_one_class_is_right_where_there_is_but_one() -> None:
    one = np.full((20, 20), 3)
    one[0, 0] = AERIAL.ignore_index
    assert run(RedSaysClass(always=3), told(one % 5, one)).only_class is None


def test_a_collapse_is_over_all_scenes_together() -> None:
    first, second = told(np.full((20, 20), 1), truth(20)), told(np.full((20, 20), 2), truth(20))
    assert run(RedSaysClass(), first, second).only_class is None


def test_the_preview_is_the_scene_with_most_classes() -> None:
    dull = told(np.zeros((50, 50)), np.zeros((50, 50)))
    shown = run(RedSaysClass(), dull, told(truth() % 5, truth())).preview
    assert shown.epoch == 4
    np.testing.assert_array_equal(shown.truth, truth())
    np.testing.assert_array_equal(shown.prediction, truth() % 5)
    assert shown.image.shape == (40, 40, 3)


def test_a_large_scene_is_shown_by_its_middle() -> None:
    mask = np.zeros((500, 600), np.uint8)
    mask[58, 108], mask[441, 491] = 1, 2
    shown = run(RedSaysClass(), told(np.zeros((500, 600)), mask)).preview
    assert shown.image.shape == (384, 384, 3)
    assert shown.truth[0, 0] == 1
    assert shown.truth[-1, -1] == 2


def test_the_model_is_left_in_the_mode_it_was_in(scene: Scene) -> None:
    model = RedSaysClass(always=1).train()
    run(model, scene)
    assert model.training


def test_it_shows_that_it_is_alive_and_is_not_stopped_by_the_answer() -> None:
    """A run that falls silent loses its place; one that stopped here would have to validate again."""
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return True

    scenes = [told(truth() % 5, truth())] * 3
    found = validate(RedSaysClass(), scenes, AERIAL, NORMAL, 1, cancelled)
    assert len(asked) == 3
    assert found.scores.miou5 == 1
