"""Stored logits come back as they were, to the precision that the form promises."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.train.logit_store import Form, LogitStore, row_bytes

SHAPE = (5, 8, 6)
FORMS: tuple[Form, ...] = ("float16", "uint8")


def logits(seed: int, views: int, spread: float = 6.0) -> Tensor:
    return spread * torch.randn((views, *SHAPE), generator=torch.Generator().manual_seed(seed))


def store(path: Path, form: Form, views: int = 6) -> LogitStore:
    return LogitStore(path / "logits", views=views, shape=SHAPE, form=form, fresh=True)


@pytest.mark.parametrize("form", FORMS)
def test_each_view_comes_back_from_its_own_place(tmp_path: Path, form: Form) -> None:
    rows, written = store(tmp_path, form), logits(0, 6)
    for first in (4, 0, 2):
        rows.write([first, first + 1], written[first : first + 2])
    for first in (0, 2, 4):
        torch.testing.assert_close(
            rows.read([first, first + 1]).float(), written[first : first + 2], atol=0.1, rtol=1e-3
        )


def test_half_precision_is_rounding_and_nothing_else(tmp_path: Path) -> None:
    rows, written = store(tmp_path, "float16"), logits(1, 3)
    rows.write(range(len(written)), written)
    assert torch.equal(rows.read(range(3)), written.half())


def test_a_byte_is_off_by_half_a_level_of_its_own_view_at_most(tmp_path: Path) -> None:
    """A view of small logits does not suffer from a neighbour's large ones."""
    rows = store(tmp_path, "uint8")
    written = torch.cat([logits(2, 1, spread=0.01), logits(3, 1, spread=100.0)])
    rows.write(range(len(written)), written)
    found = rows.read(range(2))
    for view, exact in zip(found, written, strict=True):
        half_a_level = (exact.max() - exact.min()) / 255 / 2
        assert (view - exact).abs().max() <= half_a_level * 1.001
        torch.testing.assert_close(view.min(), exact.min())
        torch.testing.assert_close(view.max(), exact.max())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [0.0, -3.5, 1e6])
def test_what_is_flat_or_beyond_half_precision_stays_finite(tmp_path: Path, form: Form, value: float) -> None:
    rows = store(tmp_path, form)
    rows.write([0], torch.full((1, *SHAPE), value))
    found = rows.read([0]).float()
    assert torch.isfinite(found).all()
    assert (found == found.flatten()[0]).all()


@pytest.mark.parametrize("form", FORMS)
def test_it_is_as_large_as_it_says_and_is_there_when_opened_again(tmp_path: Path, form: Form) -> None:
    rows = store(tmp_path, form, views=3)
    rows.write([1], logits(4, 1))
    rows.flush()
    assert (tmp_path / "logits").stat().st_size == 3 * row_bytes(SHAPE, form)
    again = LogitStore(tmp_path / "logits", views=3, shape=SHAPE, form=form, fresh=False)
    assert torch.equal(again.read([1]), rows.read([1]))


def test_a_byte_a_number_halves_the_disk() -> None:
    shape = (5, 256, 256)
    assert row_bytes(shape, "uint8") < 0.51 * row_bytes(shape, "float16")
