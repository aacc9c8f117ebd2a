"""The report adds up pixels, not pictures."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.data.datasets.dubai import AERIAL
from core.data.scene import Scene
from core.errors import DataError, ModelError
from core.evaluate import evaluate
from core.metrics import scores
from core.normalise import Normaliser

NORMAL = {"normaliser": Normaliser.of((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "cpu")}


class RedSaysClass(nn.Module):
    """Predicts the class whose index the red channel holds."""

    def __init__(self, outputs: int = 5) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.one_hot(images[:, 0].long(), self.outputs).permute(0, 3, 1, 2).float()


def scene(name: str, prediction: NDArray[np.uint8], truth: NDArray[np.uint8] | None) -> Scene:
    return Scene(name, np.repeat(prediction[..., None], 3, axis=2), truth)


def random_scenes() -> list[Scene]:
    rng = np.random.default_rng(0)
    shapes = [(1, 1), (30, 45), (90, 70)]
    return [
        scene(f"s{index}", rng.integers(0, 5, shape, dtype=np.uint8), rng.integers(0, 6, shape, dtype=np.uint8))
        for index, shape in enumerate(shapes)
    ]


def test_the_matrix_counts_every_pixel_of_every_scene() -> None:
    scenes = random_scenes()
    report = evaluate(RedSaysClass(), scenes, AERIAL, **NORMAL, tile=32, overlap=8)
    expected = np.zeros((6, 6), np.int64)
    for item in scenes:
        np.add.at(expected, (item.mask.ravel(), item.image[..., 0].ravel()), 1)
    np.testing.assert_array_equal(report.matrix, expected)
    assert report.scores == scores(expected, AERIAL)
    assert list(report.per_scene) == ["s0", "s1", "s2"]


def test_a_perfect_prediction_scores_one_in_all_and_in_each_scene() -> None:
    truth = np.arange(50, dtype=np.uint8).reshape(5, 10) // 10
    report = evaluate(RedSaysClass(), [scene("a", truth, truth), scene("b", truth, truth)], AERIAL, **NORMAL)
    assert report.scores.miou5 == report.scores.accuracy == 1
    assert report.per_scene == {"a": 1.0, "b": 1.0}


def test_scenes_of_one_name_are_all_kept() -> None:
    truth = np.zeros((4, 4), np.uint8)
    wrong = np.ones((4, 4), np.uint8)
    report = evaluate(RedSaysClass(), [scene("a", truth, truth), scene("a", wrong, truth)], AERIAL, **NORMAL)
    assert len(report.per_scene) == 2
    assert sorted(report.per_scene.values()) == [0.0, 1.0]


def test_scenes_without_a_mask_are_left_out_and_progress_counts_the_others() -> None:
    truth = np.zeros((4, 4), np.uint8)
    seen: list[tuple[int, int]] = []
    report = evaluate(
        RedSaysClass(),
        [scene("a", truth, None), scene("b", truth, truth)],
        AERIAL,
        **NORMAL,
        progress=lambda now: seen.append((now.done, now.total)),
    )
    assert list(report.per_scene) == ["b"]
    assert seen == [(1, 1)]


def test_nothing_to_score_says_what_to_do() -> None:
    with pytest.raises(DataError, match="add masks"):
        evaluate(RedSaysClass(), [scene("a", np.zeros((4, 4), np.uint8), None)], AERIAL, **NORMAL)


def test_a_model_with_other_classes_is_refused() -> None:
    truth = np.zeros((4, 4), np.uint8)
    with pytest.raises(ModelError, match="6 classes"):
        evaluate(RedSaysClass(6), [scene("a", truth, truth)], AERIAL, **NORMAL)


def test_the_model_stays_in_training_mode_for_the_loop_that_lent_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5)).train()
    evaluate(model, random_scenes(), AERIAL, **NORMAL)
    assert all(module.training for module in model.modules())
