"""Which pictures a run learns from, and how views are cut from them."""

from dataclasses import dataclass

from core.config.fields import problems_of, setting


@dataclass(frozen=True)
class DataConfig:
    """Which pictures, how they are split, and how training views are cut from them."""

    dataset: str = setting(
        "samples",
        "Dataset",
        "Which pictures: samples (the shipped scenes), dubai, folder, or the name of an imported dataset.",
    )
    root: str | None = setting(
        None,
        "Folder",
        "The folder that holds the images and masks.",
        flag="data",
        metavar="DIR",
        empty="where the dataset is by default",
    )
    split: str = setting(
        "by-image",
        "Split",
        "How pictures are divided for training, validation and test: by-image, leave-tile-out:NAME or leaky-patches.",
        metavar="RULE",
    )
    crop: int = setting(256, "Crop", "Side of a training view.", low=32, high=1024, multiple=16, unit="pixels", step=16)
    views_per_epoch: int | None = setting(
        None,
        "Views an epoch",
        "Random crops that make an epoch.",
        low=1,
        high=1_000_000,
        flag="views",
        metavar="N",
        empty="as many as fit side by side",
        step=16,
    )
    scale: tuple[float, float] = setting((0.6, 1.6), "Scale", "Range of the magnification of views.", low=0.25, high=4)
    colour: float = setting(
        0.25, "Colour augmentation", "How much the colours of views are changed.", low=0, high=1, step=0.05
    )
    skip_bad_pairs: bool = setting(
        False,
        "Skip pairs that cannot be used",
        "Leave out pairs of image and mask that cannot be used, instead of stopping.",
        flag="skip-bad",
    )
    mix: float = setting(
        0.0,
        "Mixup share",
        "Largest share of another view that is blended into each (mixup). It needs alpha 0.",
        low=0,
        high=0.5,
        step=0.1,
    )
    paste: float = setting(
        0.0,
        "CutMix share",
        "Share of views that get a rectangle of another view with its labels (CutMix).",
        low=0,
        high=1,
        step=0.1,
    )
    transfer: str | None = setting(
        None,
        "Pictures without labels",
        "More pictures on which the student learns from the teacher alone: a dataset, whose masks are not used, or a "
        "folder that holds images/. Those that validate or test are left out.",
        metavar="NAME_OR_DIR",
        empty="none",
    )
    labelled: int | None = setting(
        None,
        "Labelled pictures",
        "How many training pictures keep their labels. The teacher speaks about the others too; a run on labels "
        "alone does without them.",
        low=1,
        metavar="N",
        empty="all",
    )

    bands: str | None = setting(
        None,
        "Bands",
        "Which bands of the pictures the model sees, by name and with commas between them, as in red,green,blue. A "
        "teacher sees those that it was trained on.",
        metavar="NAMES",
        empty="all of them",
    )

    opened: str | None = None
    """Of a run that a visitor launched: the folder that the operator opened. Pictures are read below it alone."""

    def problems(self) -> list[str]:
        """A sentence for each value that is out of range."""
        return problems_of(self)
