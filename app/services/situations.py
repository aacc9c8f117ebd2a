"""What a person has to teach with: the settings that follow from it, and what to expect (figures: docs/RESULTS.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.services.run_settings import PRESETS, value_of, with_values
from core.config import RunConfig
from core.data.datasets import DATASETS
from core.losses.catalogue import LOSSES


@dataclass(frozen=True)
class StartingPoint:
    """One answer to the question what a person has.

    Attributes:
        title: What the person has.
        expect: What a teacher is worth then, in a sentence or two, with a figure.
        settings: What it changes in a preset, by the names of `run_settings.FORM`.
        full: What it changes in the preset Full beside these.
        control: Whether a control on labels alone is trained as well, unless the person says otherwise.
        asks_pictures: Whether pictures without labels are asked for.
        needs_pictures: Whether it makes no sense without pictures beside those of the dataset.
    """

    title: str
    expect: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    full: Mapping[str, Any] = field(default_factory=dict)
    control: bool = True
    asks_pictures: bool = False
    needs_pictures: bool = False


SITUATIONS: dict[str, StartingPoint] = {
    "few": StartingPoint(
        "Few labels",
        "Here a teacher pays, where others' labels trained it: with labels on 4 of 24 images of Dubai a student had "
        "68.0 % and its control 51.5 %, +16.5 ± 2.0 points over three seeds of four minutes; with 8 labels +6.9. In "
        "Quick, from the shipped teacher's answers to eight shipped scenes, it gains +6.1 ± 3.3 over labels on two.",
    ),
    "none": StartingPoint(
        "No labels",
        "The student learns from the teacher's answers alone and stays below the teacher: 68.8 % on Dubai, where the "
        "teacher has 71.8 %, and 69.4 % on the test scenes in Quick, where it has 84.8 %. Labels of the dataset choose "
        "the best weights and give the scores; the student does not learn from them. Where nobody labelled anything, "
        "make that dataset of your teacher's answers: Datasets, Masks by a teacher.",
        {"labelled": None, "alpha": 0.0},
        control=False,
        asks_pictures=True,
    ),
    "place": StartingPoint(
        "New area",
        "Labels of one area, pictures without labels of another. With labels on seven tiles of Dubai a student had "
        "65.7 % on the eighth and its control 63.8 %: +1.9 points, by one seed and one test picture, so this may be "
        "luck. A teacher that has learned from such areas gives more: the shipped student has 76.0 % on the shipped "
        "scenes, its control, which learned from Dubai alone, 63.5 %. Only labels from the new area can tell you "
        "yours.",
        {"labelled": None, "alpha": 0.2},
        asks_pictures=True,
        needs_pictures=True,
    ),
    "all": StartingPoint(
        "All labels",
        "Expect nothing from the teacher's answers: +0.4 ± 0.5 points over labels alone (the settings of Full, three "
        "seeds of ten minutes each). A small model is still worth having for its size and speed: the shipped student "
        "has 3 % of its teacher's parameters, answers 8.1 times faster and keeps 96.3 % of its score.",
        {"labelled": None, "alpha": 0.5, "alpha_end": 1.0},
        full={
            "crop": 256,
            "views_per_epoch": None,
            "ema": 0.998,
            "alpha_end": None,
            "losses": {"channel_wise": LOSSES["channel_wise"].weight},
        },
    ),
}
"""By name, the first one being the usual answer, with which the presets are as they stand."""
USUAL = next(iter(SITUATIONS))
STARTING_POINTS = (
    "A run can begin with one of these, for any classes (Distill, More settings, Start from). With labels on 4 images "
    "of Dubai a student reached 54.7 % in 62 seconds that way (one seed), and 51.5 % in 240 from fresh weights. "
    "With other classes in another place it lost 14.5 ± 6.5 points in runs of 8 seconds (three seeds) and gained "
    "1.4 in runs of 30 (one seed)."
)
"""What is said of starting points, with a figure."""


def defaults(preset: str, have: str, dataset: str = PRESETS["quick"].data.dataset) -> RunConfig:
    """The settings that the form starts with.

    The presets leave labels to few pictures, to show on data with labels for everything what few are worth, and the
    student of Quick learns from none. Of a dataset that somebody brought, every label counts and teaches.
    """
    found = SITUATIONS[have]
    settings = {**found.settings, **(found.full if preset == "full" else {})}
    if dataset not in _LABELLED_WHOLE:
        settings = {"alpha": value_of(PRESETS["full"], "alpha"), **settings, "labelled": None}
    return with_values(PRESETS[preset], settings)


_LABELLED_WHOLE = tuple(name for name, dataset in DATASETS.items() if dataset.labelled and not dataset.needs_root)
