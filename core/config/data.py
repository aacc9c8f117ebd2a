"""Which pictures a run learns from, and how views are cut from them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataConfig:
    """Which pictures, how they are split, and how training views are cut from them.

    `dataset` is a key of `core.data.DATASETS` (`samples`, `dubai`, `folder`); `root` a folder for those that need it.
    `split` is `by-image`, `leave-tile-out:N` or `leaky-patches`. An epoch is `views_per_epoch` random crops
    (None: as many as non-overlapping crops fit in the training images). `paste` is the share of views that get a
    rectangle of another with its labels (CutMix; 0: none), `mix` the share of another view that may be
    blended into each (mixup; 0: none), and `transfer` more pictures without labels for a student to hear its teacher
    on: `samples`, or a folder that holds images/. `labelled` training pictures keep their labels (None: all); a student
    hears its teacher on the others too, and a run on labels alone does without them.
    """

    dataset: str = "samples"
    root: str | None = None
    split: str = "by-image"
    crop: int = 256
    views_per_epoch: int | None = None
    scale: tuple[float, float] = (0.6, 1.6)
    colour: float = 0.25
    skip_bad_pairs: bool = False
    mix: float = 0.0
    paste: float = 0.0
    transfer: str | None = None
    labelled: int | None = None

    def problems(self) -> list[str]:
        found = []
        if not 32 <= self.crop <= 1024 or self.crop % 16:
            found.append(f"Crop must be a multiple of 16 from 32 to 1024 pixels, not {self.crop}.")
        if self.views_per_epoch is not None and not 1 <= self.views_per_epoch <= 1_000_000:
            found.append(f"Views an epoch must be from 1 to 1,000,000, not {self.views_per_epoch}.")
        if self.labelled is not None and self.labelled < 1:
            found.append(f"Pictures with labels must be 1 or more, not {self.labelled}.")
        if not 0.25 <= self.scale[0] <= self.scale[1] <= 4:
            found.append(f"Scale must be a range within 0.25 to 4, not {self.scale[0]} to {self.scale[1]}.")
        if not 0 <= self.colour <= 1:
            found.append(f"Colour augmentation must be from 0 to 1, not {self.colour}.")
        if not 0 <= self.paste <= 1:
            found.append(f"The share of views that are pasted into must be from 0 to 1, not {self.paste}.")
        if not 0 <= self.mix <= 0.5:
            found.append(f"The share that is mixed in must be from 0 to 0.5, not {self.mix}.")
        return found
