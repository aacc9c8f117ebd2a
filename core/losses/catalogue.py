"""Every distillation loss, by its name: the only place where one is registered. Pure Python, no torch.

To add a loss, write it in a file of its own in this folder and add an entry to `LOSSES`. Settings and their checks, the
command line, the form, the charts, the training objective and the tests that hold for every loss read this table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

Kind = Literal["logits", "features"]


@dataclass(frozen=True)
class Loss:
    """What is known of one distillation loss.

    Attributes:
        name: Its key in settings, links, logs and on the command line; a Python identifier.
        kind: What of the teacher it compares: `logits`, or `features` of a module inside it.
        title: Its name for people, two or three words.
        summary: What the student learns from the teacher by it, one sentence of at most 90 characters.
        paper: Authors and year. `arxiv` is the paper's number there.
        weight: The usual weight, above 0. It gives the loss about the pull on a fresh U-Net 4 that soft targets have
            (gradients on the shipped scenes at temperature 2), rounded; for the channel-wise loss it is the paper's.
        colour: Of its line in charts, as `#rrggbb`, told apart from the others on a light and on a dark page.
        temperature: What the temperature does in it, one sentence.
        factory: `module:attribute`, imported on first use. For `logits` a function (`core.losses.features.LogitLoss`),
            for `features` a class (`core.losses.features.FeatureLoss`).
    """

    name: str
    kind: Kind
    title: str
    summary: str
    paper: str
    arxiv: str
    weight: float
    colour: str
    temperature: str
    factory: str

    @property
    def on_features(self) -> bool:
        return self.kind == "features"

    def load(self) -> Any:
        """The function or class that `factory` names; this imports torch."""
        module, attribute = self.factory.split(":")
        return getattr(import_module(module), attribute)


_UNUSED = "Not used."

_ENTRIES = (
    Loss(
        name="soft_targets",
        kind="logits",
        title="Soft targets",
        summary="How likely the teacher finds every class, pixel by pixel.",
        paper="Hinton et al. 2015",
        arxiv="1503.02531",
        weight=1.0,
        colour="#7c7ce0",
        temperature="Divides the logits before the softmax over classes; higher gives unlikely classes a larger share.",
        factory="core.losses.soft_targets:soft_target_kl",
    ),
    Loss(
        name="standardised",
        kind="logits",
        title="Standardised logits",
        summary="The order and spacing of the classes, not how sure the teacher is.",
        paper="Sun et al. 2024",
        arxiv="2403.01427",
        weight=3.0,
        colour="#ed5e9f",
        temperature="Divides the standardised logits before the softmax over classes; the paper suggests 2.",
        factory="core.losses.standardised:standardised_kl",
    ),
    Loss(
        name="channel_wise",
        kind="logits",
        title="Channel-wise",
        summary="For each class, where in the picture the teacher sees it most.",
        paper="CWD, Shu et al. 2021",
        arxiv="2011.13256",
        weight=3.0,
        colour="#1d92b9",
        temperature="Divides the logits before the softmax over positions; higher spreads a class over more of them.",
        factory="core.losses.channel_wise:channel_wise_kl",
    ),
    Loss(
        name="correlation",
        kind="logits",
        title="Correlation",
        summary="How classes and pixels relate to each other, not the exact probabilities.",
        paper="DIST, Huang et al. 2022",
        arxiv="2205.10536",
        weight=0.5,
        colour="#d31037",
        temperature="Divides the logits before the softmax whose probabilities are correlated.",
        factory="core.losses.correlation:correlation",
    ),
    Loss(
        name="boundary",
        kind="logits",
        title="Soft targets at edges",
        summary="Soft targets that count five times as much beside the edges the teacher draws.",
        paper="after Hinton et al. 2015",
        arxiv="1503.02531",
        weight=1.0,
        colour="#786b10",
        temperature="As in soft targets. The edges do not depend on it.",
        factory="core.losses.boundary:boundary_soft_target_kl",
    ),
    Loss(
        name="feature_channel_wise",
        kind="features",
        title="Channel-wise features",
        summary="For each feature, where in the picture the teacher's is strongest.",
        paper="CWD, Shu et al. 2021",
        arxiv="2011.13256",
        weight=20.0,
        colour="#449f10",
        temperature="Divides the features before the softmax over positions; higher spreads each over more of them.",
        factory="core.losses.channel_wise:FeatureChannelWise",
    ),
    Loss(
        name="affinity",
        kind="features",
        title="Affinity of features",
        summary="Which parts of the picture look alike from inside the teacher.",
        paper="Liu et al. 2019",
        arxiv="1903.04197",
        weight=5.0,
        colour="#b910b9",
        temperature=_UNUSED,
        factory="core.losses.affinity:Affinity",
    ),
    Loss(
        name="attention",
        kind="features",
        title="Attention of features",
        summary="Where in the picture the teacher's features are strong.",
        paper="Zagoruyko and Komodakis 2017",
        arxiv="1612.03928",
        weight=1.0,
        colour="#6b6b6b",
        temperature=_UNUSED,
        factory="core.losses.attention:Attention",
    ),
    Loss(
        name="hint",
        kind="features",
        title="Hint from features",
        summary="The teacher's features themselves, through a learned projection.",
        paper="FitNets, Romero et al. 2015",
        arxiv="1412.6550",
        weight=2.0,
        colour="#855e78",
        temperature=_UNUSED,
        factory="core.losses.hints:Hint",
    ),
    Loss(
        name="masked_generation",
        kind="features",
        title="Masked features",
        summary="The teacher's whole features, guessed from its own with three quarters hidden.",
        paper="MGD, Yang et al. 2022",
        arxiv="2205.01529",
        weight=20.0,
        colour="#929278",
        temperature=_UNUSED,
        factory="core.losses.masked_generation:MaskedGeneration",
    ),
)

LOSSES: dict[str, Loss] = {loss.name: loss for loss in _ENTRIES}
"""Every loss by its name, those on logits first."""
DEFAULT = "channel_wise"
"""The loss of a new distillation (docs/RESULTS.md says why)."""

MIXED = {"soft_targets": 1.0, "channel_wise": 3.0}
"""What the preset Quick learns by: the classes of each pixel, and where each class is (docs/RESULTS.md)."""


def default_weights() -> dict[str, float]:
    """The losses of a new distillation, each with its usual weight."""
    return {DEFAULT: LOSSES[DEFAULT].weight}


def usual_weights() -> dict[str, float]:
    """The weight that each loss starts with when it is chosen."""
    return {loss.name: loss.weight for loss in LOSSES.values()}


def names(kind: Kind | None = None) -> tuple[str, ...]:
    """The names of all losses, or of those of one kind, in the order of the catalogue."""
    return tuple(loss.name for loss in LOSSES.values() if kind in (None, loss.kind))


def uses_features(chosen: Iterable[str]) -> bool:
    """Whether any of these losses compares features. Names that are not in the catalogue count as no."""
    return any(name in LOSSES and LOSSES[name].on_features for name in chosen)


def in_words(weights: Mapping[str, float]) -> str:
    """`Soft targets` or `Channel-wise × 3 + Hint from features × 2`: in catalogue order, weights of 1 left out."""
    parts = [(loss.title, weights[loss.name]) for loss in LOSSES.values() if loss.name in weights]
    return " + ".join(title if weight == 1 else f"{title} × {weight:g}" for title, weight in parts)
