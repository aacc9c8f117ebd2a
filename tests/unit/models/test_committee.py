"""A committee is the mean of its members' probabilities, in one order of classes, and says where they disagree."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import checkpoint
from core.cards import ModelCard, load_card, resolve
from core.classes import ClassMap, colours_for
from core.config import ModelConfig
from core.errors import ConfigError
from core.infer.members import predict_with_members
from core.infer.predict import predict
from core.losses import catalogue
from core.models.committee import Committee, Member, committee_card, disagreement
from core.models.external.importer import keep_card
from core.normalise import Normaliser
from core.train.step import FrozenTeacher

NAMES = ("a", "b", "c")
IMAGE = torch.randint(0, 256, (2, 3, 8, 12), generator=torch.Generator().manual_seed(0)).float()


def card_of(names: tuple[str, ...] = NAMES, **changes: object) -> ModelCard:
    classes = ClassMap((*names, "none"), (*colours_for(len(names)), (0, 0, 0)), len(names))
    card = ModelCard("m", ModelConfig("unet", {"base": 2}), classes, (10.0, 20.0, 30.0), (50.0, 60.0, 70.0), 1, 1)
    return replace(card, **changes)  # type: ignore[arg-type]


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Conv2d(3, 3, 3, padding=1).eval()


def own(model: nn.Module, card: ModelCard, image: Tensor = IMAGE) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (card.mean, card.std))
    return model((image - mean) / std).softmax(dim=1)


def committee(*members: Member, weights: tuple[float, ...] = (1, 1), **more: object) -> Committee:
    options: dict[str, object] = {"flips": False, "scales": (1.0,), "weigh": False}
    return Committee(members, weights=weights, **(options | more)).eval()  # type: ignore[arg-type]


def test_it_is_the_weighted_mean_of_probabilities_in_the_order_of_its_classes() -> None:
    one, other = network(1), network(2)
    first, second = card_of(), card_of(("c", "a", "b"), mean=(0.0, 0.0, 0.0))
    made = committee(Member(one, first, NAMES), Member(other, second, NAMES), weights=(3, 1))
    expected = 0.75 * own(one, first) + 0.25 * own(other, second)[:, [1, 2, 0]]
    torch.testing.assert_close(made(IMAGE).softmax(dim=1), expected)


def test_mirrored_answers_do_not_depend_on_which_mirror_image_is_shown() -> None:
    made = committee(Member(network(1), card_of(), NAMES), weights=(1,), flips=True)
    torch.testing.assert_close(made(IMAGE.flip(-1)).flip(-1), made(IMAGE))
    plain = committee(Member(network(1), card_of(), NAMES), weights=(1,))
    assert not torch.allclose(plain(IMAGE.flip(-1)).flip(-1), plain(IMAGE), atol=1e-3)


def test_scales_are_averaged_and_answers_have_the_size_of_the_picture() -> None:
    flat = torch.full((1, 3, 9, 13), 100.0)
    point = nn.Conv2d(3, 3, 1).eval()
    made = committee(Member(point, card_of(), NAMES), weights=(1,), scales=(0.75, 1.0, 1.25))
    assert made(IMAGE).shape == IMAGE.shape
    torch.testing.assert_close(made(flat).softmax(dim=1), own(point, card_of(), flat))


def test_disagreement_is_zero_for_one_voice_and_one_where_each_is_certain_of_another_class() -> None:
    certain = torch.eye(3)[:, :, None, None]
    same = [certain[:1], certain[:1]]
    assert disagreement(same, [0.5, 0.5]).abs().max() < 1e-5
    assert disagreement([certain[:1], certain[1:2]], [0.5, 0.5]).item() == pytest.approx(1, abs=1e-5)
    assert disagreement([certain[:1], certain[1:2], certain[2:]], [1 / 3] * 3).item() == pytest.approx(1, abs=1e-5)
    unsure = torch.full((1, 3, 1, 1), 1 / 3)
    assert disagreement([unsure, unsure], [0.5, 0.5]).abs().max() < 1e-5
    assert disagreement([certain[:1]], [1.0]).item() == 0
    random = [torch.rand(4, 3, 2, 2).softmax(dim=1) for _ in range(3)]
    found = disagreement(random, [0.2, 0.3, 0.5])
    assert 0 <= found.min() <= found.max() <= 1
    half = disagreement([certain[:1], (certain[:1] + certain[1:2]) / 2], [0.5, 0.5]).item()
    information = -0.75 * math.log(0.75) - 0.25 * math.log(0.25) - 0.5 * math.log(2)
    assert half == pytest.approx(information / math.log(2), abs=1e-4)


@pytest.mark.parametrize("side", [8, 120])
def test_one_pass_gives_what_it_says_and_how_much_its_members_disagree_in_windows_too(side: int) -> None:
    made = committee(Member(network(1), card_of(), NAMES), Member(network(2), card_of(), NAMES), weights=(2, 1))
    picture = torch.randint(0, 256, (side, side, 3), generator=torch.Generator().manual_seed(1)).byte().numpy()
    normaliser = Normaliser.of((0.0,) * 3, (1.0,) * 3, "cpu")
    found, members = predict_with_members(made, picture, normaliser=normaliser, tile=96)
    plain = predict(made, picture, normaliser=normaliser, tile=96)
    assert members is not None
    np.testing.assert_allclose(found.probabilities, plain.probabilities, atol=1e-5)
    if side == 8:
        with torch.no_grad():
            _, agreed = made.answer(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
        np.testing.assert_allclose(members, 1 - agreed[0].numpy(), atol=1e-5)
    assert 0 <= members.min() < members.max() <= 1
    alone = committee(Member(network(1), card_of(), NAMES), weights=(1,))
    assert predict_with_members(alone, picture, normaliser=normaliser)[1] is None
    assert predict_with_members(network(1), picture, normaliser=normaliser)[1] is None


def test_agreement_weighs_a_distillation_only_where_it_was_asked_for() -> None:
    members = [Member(network(seed), card_of(), NAMES) for seed in (1, 2)]
    views = IMAGE.permute(0, 2, 3, 1).byte()
    for weigh in (True, False):
        teacher = FrozenTeacher(
            committee(*members, weigh=weigh), Normaliser.of((0.0,) * 3, (1.0,) * 3, "cpu"), torch.float32
        )
        word = teacher.output(views).word
        assert (word is not None) == weigh
    expected = 1 - disagreement([member(IMAGE) for member in members], [0.5, 0.5])
    word = (
        FrozenTeacher(committee(*members, weigh=True), Normaliser.of((0.0,) * 3, (1.0,) * 3, "cpu"), torch.float32)
        .output(views)
        .word
    )
    torch.testing.assert_close(word, expected)


@pytest.mark.parametrize("name", catalogue.names("logits"))
def test_every_loss_on_logits_takes_agreement_as_a_weight(name: str) -> None:
    """A weight of 1 everywhere changes nothing, and one that is not changes the loss."""
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 3, 12, 12), torch.randn(2, 3, 12, 12)
    loss, valid = catalogue.LOSSES[name].load(), torch.ones(2, 12, 12, dtype=torch.bool)
    valid[:, :3] = False
    one, weighed = (
        loss(student=student, teacher=teacher, temperature=2.0, valid=weights).item()
        for weights in (valid.float(), valid * torch.rand(2, 12, 12))
    )
    plain = loss(student=student, teacher=teacher, temperature=2.0, valid=valid).item()
    assert one == pytest.approx(plain, rel=1e-5)
    assert math.isfinite(weighed)
    assert weighed != pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize(
    ("members", "options"),
    [
        ({}, {}),
        ({"m": card_of(), "n": card_of(("a", "b", "x"))}, {}),
        ({"m": card_of()}, {"weights": [1.0, 2.0]}),
        ({"m": card_of()}, {"weights": [0.0]}),
        ({"m": card_of()}, {"scales": [9.0]}),
        ({"m": card_of(model=ModelConfig("committee", {}))}, {}),
    ],
)
def test_what_is_no_committee_is_refused(members: dict[str, ModelCard], options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        committee_card("c", members, **options)  # type: ignore[arg-type]


def test_a_committee_is_a_model_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    members = {name: load_card(resolve(name)) for name in ("student", "student-8")}
    keep_card("both", committee_card("both", members, weights=[1, 3]))
    loaded = checkpoint.load(resolve("both"))
    assert isinstance(loaded.model, Committee)
    assert loaded.card.parameters == sum(card.parameters for card in members.values())
    each = [checkpoint.load(resolve(name)) for name in members]
    with torch.inference_mode():
        found = loaded.model(IMAGE).softmax(dim=1)
        expected = sum(share * own(one.model, one.card) for share, one in zip((0.25, 0.75), each, strict=True))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
