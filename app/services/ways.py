"""The ways a student can listen to its teacher, in words for people; the functions are in core/losses/, a file each.

A usual weight gives a loss about the pull on a fresh U-Net 4 that soft targets have (gradients on the shipped scenes at
temperature 2), rounded; for the channel-wise loss it is the paper's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.config import FEATURE_LOSSES


@dataclass(frozen=True)
class Way:
    """A loss by its key in `core.config`: its title, what the student hears in a sentence, its paper, its weight."""

    name: str
    title: str
    hears: str
    paper: str
    arxiv: str
    weight: float

    @property
    def on_features(self) -> bool:
        return self.name in FEATURE_LOSSES


_ALL = (
    Way(
        "soft_targets",
        "Soft targets",
        "How likely the teacher finds every class, pixel by pixel.",
        "Hinton et al. 2015",
        "1503.02531",
        1.0,
    ),
    Way(
        "standardised",
        "Standardised logits",
        "The order and spacing of the classes, not how sure the teacher is.",
        "Sun et al. 2024",
        "2403.01427",
        3.0,
    ),
    Way(
        "channel_wise",
        "Channel-wise",
        "For each class, where in the picture the teacher sees it most.",
        "CWD, Shu et al. 2021",
        "2011.13256",
        3.0,
    ),
    Way(
        "correlation",
        "Correlation",
        "How classes and pixels relate to each other, not the exact probabilities.",
        "DIST, Huang et al. 2022",
        "2205.10536",
        0.5,
    ),
    Way(
        "boundary",
        "Soft targets at edges",
        "Soft targets that count five times as much beside the edges the teacher draws.",
        "after Hinton et al. 2015",
        "1503.02531",
        1.0,
    ),
    Way(
        "feature_channel_wise",
        "Channel-wise features",
        "For each feature, where in the picture the teacher's is strongest.",
        "CWD, Shu et al. 2021",
        "2011.13256",
        20.0,
    ),
    Way(
        "affinity",
        "Affinity of features",
        "Which parts of the picture look alike from inside the teacher.",
        "Liu et al. 2019",
        "1903.04197",
        5.0,
    ),
    Way(
        "attention",
        "Attention of features",
        "Where in the picture the teacher's features are strong.",
        "Zagoruyko and Komodakis 2017",
        "1612.03928",
        1.0,
    ),
    Way(
        "hint",
        "Hint from features",
        "The teacher's features themselves, through a learned translation.",
        "FitNets, Romero et al. 2015",
        "1412.6550",
        2.0,
    ),
    Way(
        "masked_generation",
        "Masked features",
        "The teacher's whole features, guessed from its own with three quarters hidden.",
        "MGD, Yang et al. 2022",
        "2205.01529",
        20.0,
    ),
)

WAYS: dict[str, Way] = {way.name: way for way in _ALL}
"""Every loss there is, those on logits first."""
USUAL: dict[str, float] = {way.name: way.weight for way in _ALL}
DEFAULT = "channel_wise"


def in_words(losses: Mapping[str, float]) -> str:
    """`Soft targets` or `Channel-wise × 3 + Hint from features × 2`: in our order, and without weights of 1."""
    parts = [(way.title, losses[way.name]) for way in WAYS.values() if way.name in losses]
    return " + ".join(title if weight == 1 else f"{title} × {weight:g}" for title, weight in parts)


def listens_inside(losses: Mapping[str, float]) -> bool:
    """Whether any of them looks inside the teacher, so that stored answers are of no use."""
    return any(WAYS[name].on_features for name in losses)
