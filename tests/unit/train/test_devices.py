"""Two processes that share every batch learn what one process learns from twice the batch.

Both sides do the same sums in another order, in float64. Rounding is all that may come between them: over six steps of
training the losses stay equal to one part in a billion, and part by more than one in a hundred as soon as one of the
three things that make them equal is taken out.
"""

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import distributed

from core import paths
from core.errors import ModelError
from core.losses.catalogue import LOSSES
from core.train.distributed import ALONE, Group, meet, open_store, part, share_statistics
from tests.unit.train.sharing import Curve, do

TOLERANCE, APART = 1e-9, 1e-2
Together = Callable[..., Any]


@pytest.fixture(scope="module")
def together() -> Iterator[Together]:
    """Does something in this process and another, and gives what it came to here."""
    store = open_store("127.0.0.1")
    command = [sys.executable, "-m", "tests.unit.train.sharing", str(store.port)]
    with subprocess.Popen(command, cwd=paths.ROOT) as partner:
        group = meet(store, rank=0, size=2)

        def work(**settings: Any) -> Any:
            assert partner.poll() is None, "an earlier test has left the two out of step"
            group.broadcast_text(json.dumps(settings))
            done = False
            try:
                result = do(group, **settings)
                done = True
                return result
            finally:
                if not done:
                    # The other one waits for words that will not come.
                    partner.kill()
                    partner.wait()

        try:
            yield work
            if partner.poll() is None:
                group.broadcast_text("")
                assert partner.wait(60) == 0
        finally:
            partner.kill()
            part()


def gap(one: Curve, other: Curve) -> float:
    """The largest difference of two curves, as a share of the loss."""
    assert len(one) == len(other) == 6
    assert [set(step) for step in one] == [set(step) for step in other]
    return max(abs(step[name] / twin[name] - 1) for step, twin in zip(one, other, strict=True) for name in step)


CURVES: dict[str, dict[str, Any]] = {
    "train": {"ema": 0.9},
    "compact": {"architecture": "compact"},
    "distill": {"losses": {"soft_targets": 1.0, "correlation": 1.0}},
    "in parts": {"accumulate": 2},
    "mixed views": {"losses": {"soft_targets": 1.0}, "mix": 0.5},
    "features": {"losses": {"hint": 1.0, "masked_generation": 1.0}},
}


@functools.cache
def by_itself(name: str) -> Curve:
    curve: Curve = do(ALONE, "curve", **CURVES[name])
    return curve


@pytest.mark.slow
@pytest.mark.parametrize("name", CURVES)
def test_two_learn_what_one_learns_from_twice_the_batch(together: Together, name: str) -> None:
    both = together(work="curve", **CURVES[name])
    alone = by_itself(name)
    assert gap(both, alone) < TOLERANCE
    assert alone[-1] != alone[0], "nothing was learnt"


@pytest.mark.parametrize(
    ("name", "without"),
    [("train", "gradients"), ("distill", "gradients"), ("distill", "statistics"), ("train", "losses")],
)
def test_without_any_of_the_three_the_curves_part(together: Together, name: str, without: str) -> None:
    both = together(work="curve", without=without, **CURVES[name])
    assert gap(both, by_itself(name)) > APART


def test_every_loss_is_that_of_the_whole_batch_and_so_is_its_gradient(together: Together) -> None:
    """Although one device has few valid pixels and the other many."""
    both, alone = together(work="gradients"), do(ALONE, "gradients")
    assert set(both) == {"cross_entropy", "dice", *LOSSES}
    for name, (loss, gradient) in both.items():
        expected = alone[name][1][:4]
        torch.testing.assert_close(loss, alone[name][0], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12)
        assert expected.abs().max() > 0


@pytest.mark.parametrize("act", [False, True])
def test_normalisation_is_over_the_whole_batch(together: Together, act: bool) -> None:
    """That of torch, and that of timm with its activation built in."""
    both, alone = together(work="normalisation", act=act), do(ALONE, "normalisation", act=act)
    assert both.keys() == alone.keys()
    for name, value in both.items():
        expected = alone[name][:4] if name in ("output", "gradient") else alone[name]
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)


def test_devices_draw_apart_and_the_same_again_at_the_same_step(together: Together) -> None:
    """Stochastic depth that dropped the same layers on every device would be noise that does not average out."""
    first, second, again = together(work="chances")
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


@pytest.mark.parametrize(("count", "parts"), [(8, 1), (8, 2), (24, 3)])
def test_the_shares_of_a_batch_are_the_whole_of_it_in_every_part(count: int, parts: int) -> None:
    shares = [Group(rank, 2).positions(count, parts) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == list(range(count))
    assert len(shares[0]) == len(shares[1])
    part_size = count // parts
    for share in shares:
        by_part = [position // part_size for position in share]
        assert by_part == sorted(by_part)
        assert all(by_part.count(at) == part_size // 2 for at in range(parts))


def test_one_device_asks_nobody() -> None:
    """Everything that a group can do works alone, without a process group."""
    assert not distributed.is_initialized() or distributed.get_world_size() == 2
    values = torch.ones(3)
    assert ALONE.add(values) is values
    assert (ALONE.broadcast(2.5), ALONE.broadcast_text("word"), ALONE.positions(4)) == (2.5, "word", [0, 1, 2, 3])


def test_a_normalisation_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ModelError, match="BatchNorm1d cannot share its statistics over devices: train"):
        share_statistics(torch.nn.Sequential(torch.nn.BatchNorm1d(3)), Group(0, 2))
    layer = torch.nn.BatchNorm2d(3)
    before = layer.forward
    assert share_statistics(layer, ALONE) == 0
    assert layer.forward == before
