"""The losses a person can choose, with their usual weights. Everything about each one is in `core.losses.catalogue`."""

from core.losses.catalogue import DEFAULT, LOSSES, Loss, default_weights, in_words, uses_features

__all__ = ["DEFAULT", "LOSSES", "Loss", "default_weights", "in_words", "uses_features", "usual_weights"]


def usual_weights() -> dict[str, float]:
    """The weight that each loss starts with when it is chosen."""
    return {loss.name: loss.weight for loss in LOSSES.values()}
