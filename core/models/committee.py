"""Several models as one: the weighted mean of their probabilities, and how much they disagree about each pixel.

Mirrored and scaled views of a picture are further opinions of the same member; they are averaged within it.
Reference: Houlsby et al., Bayesian Active Learning for Classification, arXiv 1112.5745 (mutual information).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.cards import ModelCard
from core.config import ModelConfig
from core.errors import ConfigError

COMMITTEE = "committee"
MOST_MEMBERS = 8
LOWEST_SCALE, HIGHEST_SCALE = 0.25, 4.0
_SMALLEST_SHARE = 1e-7
_MIRRORS = ((-1,), (-2,), (-2, -1))


class Member(nn.Module):
    """Bytes as floats (B, 3, H, W) → probabilities (B, C, H, W) in the order of the committee's classes."""

    def __init__(self, model: nn.Module, card: ModelCard, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        order = [card.classes.scored_names.index(name) for name in names]
        self.register_buffer("order", torch.tensor(order))
        self.register_buffer("mean", torch.tensor(card.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(card.std).view(1, 3, 1, 1))
        self.order: Tensor
        self.mean: Tensor
        self.std: Tensor

    def forward(self, image: Tensor) -> Tensor:
        """One forward pass.

        Args:
            image: (B, 3, H, W), bytes as floats.

        Returns:
            Probabilities (B, C, H, W).
        """
        shares: Tensor = self.model((image - self.mean) / self.std).float().softmax(dim=1)
        return shares.index_select(1, self.order)


class Committee(nn.Module):
    """Bytes as floats (B, 3, H, W) → logits (B, C, H, W): logarithms of its members' mean probabilities.

    Args:
        members: At least one.
        weights: One for each, above 0; they are divided by their sum.
        flips: Whether each also sees the three mirror images.
        scales: At which sizes each sees the picture, 1 being its own.
        weigh: Whether a distillation counts each pixel by how much the members agree about it.
    """

    def __init__(
        self, members: Sequence[Member], *, weights: Sequence[float], flips: bool, scales: Sequence[float], weigh: bool
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.shares = [weight / sum(weights) for weight in weights]
        self.flips, self.scales, self.weigh = flips, tuple(scales), weigh

    def forward(self, image: Tensor) -> Tensor:
        """One forward pass.

        Args:
            image: (B, 3, H, W), bytes as floats.

        Returns:
            Logits (B, C, H, W).
        """
        return self.answer(image)[0]

    def answer(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Its answer, and how sure one can be of it.

        Args:
            image: (B, 3, H, W), bytes as floats.

        Returns:
            Logits (B, C, H, W), and 1 minus the members' disagreement (B, H, W), from 0 to 1.
        """
        each = [self._opinion(member, image) for member in self.members]
        mean = torch.stack([share * one for share, one in zip(self.shares, each, strict=True)]).sum(dim=0)
        return mean.clamp_min(_SMALLEST_SHARE).log(), 1 - disagreement(each, self.shares)

    def _opinion(self, member: nn.Module, image: Tensor) -> Tensor:
        """The mean over mirror images and sizes."""
        found = [self._scaled(member, image, scale) for scale in self.scales]
        if self.flips:
            found += [
                self._scaled(member, image.flip(axes), scale).flip(axes) for axes in _MIRRORS for scale in self.scales
            ]
        return torch.stack(found).mean(dim=0)

    def _scaled(self, member: nn.Module, image: Tensor, scale: float) -> Tensor:
        size = image.shape[-2:]
        if scale != 1:
            sides = [max(1, round(side * scale)) for side in size]
            image = functional.interpolate(image.float(), size=sides, mode="bilinear", antialias=True)
        shares: Tensor = member(image)
        return shares if scale == 1 else functional.interpolate(shares, size=size, mode="bilinear")


def disagreement(each: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Mutual information between class and member, as a share of the most that it can be.

    Args:
        each: Probabilities (B, C, H, W) of every member.
        shares: Weights of the members, above 0, 1 in sum.

    Returns:
        (B, H, W) from 0 (all say the same) to 1 (each is certain of a class of its own); 0 for one member.
    """
    weighted = [share * one for share, one in zip(shares, each, strict=True)]
    mean = torch.stack(weighted).sum(dim=0)
    within = torch.stack([share * _entropy(one) for share, one in zip(shares, each, strict=True)]).sum(dim=0)
    most = min(math.log(mean.shape[1]), -sum(share * math.log(share) for share in shares))
    if most <= 0:
        return torch.zeros_like(within)
    return ((_entropy(mean) - within) / most).clamp(0, 1)


def _entropy(shares: Tensor) -> Tensor:
    return -(shares * shares.clamp_min(_SMALLEST_SHARE).log()).sum(dim=1)


def committee_card(
    name: str,
    members: Mapping[str, ModelCard],
    *,
    weights: Sequence[float] = (),
    flips: bool = False,
    scales: Sequence[float] = (1.0,),
    weigh: bool = False,
) -> ModelCard:
    """The card of a committee. Its classes are in the order of its first member.

    Args:
        name: Of the committee.
        members: Cards by the names that `core.cards.resolve` knows.
        weights: One for each member; none: all alike.
        flips: As for `Committee`.
        scales: As for `Committee`.
        weigh: As for `Committee`.

    Raises:
        ConfigError: There are too few or too many members, their classes differ, or a number is out of range.
    """
    cards, weights = list(members.values()), list(weights) or [1.0] * len(members)
    if problems := _committee_problems(cards, weights, scales):
        raise ConfigError(problems)
    views = len(scales) * (4 if flips else 1)
    # Of a member whose work is not known, that of all is not.
    macs = views * sum(card.macs_256 for card in cards) if all(card.macs_256 for card in cards) else 0
    arguments: dict[str, Any] = {
        "members": list(members),
        "weights": [float(weight) for weight in weights],
        "flips": flips,
        "scales": [float(scale) for scale in scales],
        "weigh": weigh,
        "files": [],
    }
    return ModelCard(
        name=name,
        model=ModelConfig(COMMITTEE, arguments),
        classes=cards[0].classes,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        parameters=sum(card.parameters for card in cards),
        macs_256=macs,
        bytes=sum(card.bytes for card in cards),
        licence=", ".join(dict.fromkeys(card.licence for card in cards)),
        training={"origin": f"a committee of {', '.join(members)}"},
    )


def _committee_problems(cards: Sequence[ModelCard], weights: Sequence[float], scales: Sequence[float]) -> list[str]:
    problems = []
    if not 1 <= len(cards) <= MOST_MEMBERS:
        problems.append(f"A committee has 1 to {MOST_MEMBERS} members, each once.")
    if len(weights) != len(cards) or not all(0 < weight < math.inf for weight in weights):
        problems.append("Give one weight above 0 for each member, or none.")
    if not scales or not all(LOWEST_SCALE <= scale <= HIGHEST_SCALE for scale in scales):
        problems.append(f"Scales must be from {LOWEST_SCALE:g} to {HIGHEST_SCALE:g}, such as 0.75, 1 and 1.25.")
    if any(card.model.architecture == COMMITTEE for card in cards):
        problems.append("A committee cannot be a member of another: name its members.")
    if any(len(card.mean) != 3 for card in cards):
        problems.append("A committee sees red, green and blue: leave out members of other bands.")
    if any(set(card.classes.scored_names) != set(cards[0].classes.scored_names) for card in cards):
        problems.append("The members know different classes: import them with --map into the same ones.")
    return problems
