"""`python -m tools.average teacher-third teacher-fifth --name teacher`: one model of several.

Networks that were trained on from one another often hold what both know when their weights are averaged (arXiv
2109.01903). The model is scored on the validation pictures of the dataset that the last one was trained on.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from core import checkpoint, paths
from core.checkpoint import Loaded
from core.config import DataConfig
from core.data import open_split
from core.errors import ConfigError
from core.evaluate import evaluate
from core.normalise import Normaliser


def averaged(models: Sequence[Loaded], shares: Sequence[float]) -> dict[str, Tensor]:
    """The weighted mean of the weights, and of the statistics of normalisations; counts are those of the last model.

    Raises `ConfigError` where the models are not one network with one class map, or the shares do not sum to 1.
    """
    first = models[0].card
    if len(models) != len(shares) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError("Give each model a share of at least 0, and shares that sum to 1.")
    for model in models[1:]:
        card = model.card
        if (card.model, card.classes, card.mean, card.std) != (first.model, first.classes, first.mean, first.std):
            raise ConfigError(f"{card.name} is another network than {first.name}, or of other classes: choose others.")
    states = [model.model.state_dict() for model in models]
    return {
        key: sum((share * state[key] for share, state in zip(shares, states, strict=True)), torch.zeros(()))
        if value.is_floating_point()
        else value
        for key, value in states[-1].items()
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.average", description="Average the weights of models.")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="shipped models, runs by name or id, or paths")
    parser.add_argument("--shares", nargs="+", type=float, help="of each, in sum 1 (default: equal)")
    parser.add_argument("--name", default="averaged", help="of the new model (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=paths.home(), help="folder to write to (default: %(default)s)")
    parser.add_argument("--data", metavar="DIR", help="the dataset (default: where it is by default)")
    chosen = parser.parse_args(arguments)
    models = [checkpoint.load(checkpoint.resolve(name)) for name in chosen.models]
    shares = chosen.shares or [1 / len(models)] * len(models)
    last = models[-1]
    last.model.load_state_dict(averaged(models, shares))
    card = last.card
    config = DataConfig(dataset=card.data["dataset"], root=chosen.data, split=card.data["split"])
    scenes = open_split(config)[1].val
    report = evaluate(last.model, scenes, card.classes, normaliser=Normaliser.of_card(card, "cpu"))
    told = " + ".join(f"{share:g} x {name}" for share, name in zip(shares, chosen.models, strict=True))
    training = {**card.training, "averaged": told}
    metrics = {"split": "val", "images": [scene.name for scene in scenes], **report.scores.to_json()}
    stem = chosen.out / chosen.name
    checkpoint.save(stem, last.model, replace(card, name=chosen.name, training=training, metrics=metrics))
    sys.stdout.write(f"{stem}: mIoU-5 {report.scores.miou5:.4f} on the validation images\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
