"""Which scenes train, which choose the model, and which are only looked at in the end: by source image, always.

Where the dataset's own folders are named train, val and test, they are the split. A picture in two parts, by its pixels
or because its name says that it was cut from the same one as another, is a leak, whatever the rule was.

Random patches put neighbours of a test patch into training, and the score then measures memory. That split exists to
compare with published figures, and says that it leaks.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.data.scene import Scene
from core.data.sources import named_sources, pictures_in_two_parts, related
from core.errors import ConfigError

HELD_SHARE = 0.15
"""Share of validation, and again of test, where the scenes have no parts."""

SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "eval", "evaluation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "heldout"), "test"),
}
"""Names of folders that say what the pictures in them are for: `split_of` reads `1_Train` and `val_set` as well."""

RULES = ("by-image", "leave-tile-out:NAME", "leaky-patches")
_LEAVE_OUT = "leave-tile-out:"


@dataclass(frozen=True)
class Parts:
    """Which parts of every tile train, validate and test, by the number in their name (`image_part_003`)."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        numbers = [*self.train, *self.val, *self.test]
        if not self.train or not self.val or len(set(numbers)) < len(numbers):
            raise ConfigError("A split by parts needs parts to train and to validate on, and each part once.")

    def use_of(self, part: int | None) -> str:
        """`train`, `val` or `test`; empty for a part that none of them has, and for None."""
        uses = {"train": self.train, "val": self.val, "test": self.test}
        return next((use for use, numbers in uses.items() if part in numbers), "")

    def __str__(self) -> str:
        """`parts 1 to 7 train, 8 validates, 9 tests`."""
        told = ((self.train, "train"), (self.val, "validate"), (self.test, "test"))
        return "parts " + ", ".join(
            f"{_listed(numbers)} {verb}{'s' if len(numbers) == 1 else ''}" for numbers, verb in told if numbers
        )


@dataclass(frozen=True)
class Split:
    """Scenes by what they are for. `note` says how they were parted; `leaks` whether neighbours were torn apart."""

    train: list[Scene]
    val: list[Scene]
    test: list[Scene]
    rule: str
    leaks: bool
    note: str


def split_of(name: str) -> str:
    """What the pictures of a folder of this name are for: "train", "val", "test", or "" for no such name.

    Case and digits do not count, nor do the words set, split, data and dataset behind it.
    """
    plain = re.sub(r"[\W\d_]+", "", name.lower())
    return SPLIT_FOLDERS.get(plain) or SPLIT_FOLDERS.get(re.sub(r"(?:data)?(?:set|split|data)$", "", plain), "")


def split_scenes(
    scenes: Sequence[Scene], rule: str, *, parts: Parts | None = None, seed: int = 0, patch: int = 256
) -> Split:
    """Part scenes by `by-image`, `leave-tile-out:NAME` or `leaky-patches` (the last cuts `patch`² pixels).

    `parts` is the split of the dataset where its pictures are numbered parts; it counts where all of them have such a
    number. The order of `scenes` does not matter. Scenes without a mask train, unless their folder or a list of the
    dataset says otherwise: a teacher can speak about them.
    Raises `ConfigError` for an unknown rule or tile, and when nothing is left to train or to validate on.
    """
    everything = sorted(scenes, key=lambda scene: scene.name)
    ordered = [scene for scene in everything if scene.mask is not None or scene.split in ("val", "test")]
    unlabelled = [scene for scene in everything if scene.mask is None and scene.split not in ("val", "test")]
    if rule == "by-image":
        split = _by_image(ordered, parts, seed)
    elif rule.startswith(_LEAVE_OUT):
        split = _leave_tile_out(ordered, rule, parts, seed)
    elif rule == "leaky-patches":
        split = _leaky_patches(ordered, seed, patch)
    else:
        raise ConfigError(f"There is no split {rule!r}: choose {', '.join(RULES)}.")
    for name, part in (("train", split.train), ("validate", split.val)):
        if not part:
            raise ConfigError(
                f"The split {rule} of {len(ordered)} labelled picture{'' if len(ordered) == 1 else 's'} leaves nothing "
                f"to {name} on. {split.note} Label more pictures or choose another split."
            )
    if unlabelled:
        note = f"{split.note} {without_labels(len(unlabelled))}"
        split = replace(split, train=[*split.train, *unlabelled], note=note)
    return _with_leaks(split)


def draw_parts(stems: Sequence[str], seed: int = 0) -> dict[str, str]:
    """Which of these pictures `train`, `validate` and `test`, drawn at random: by stem.

    Patches of one picture, as their names tell, are drawn together, unless there is nothing else.

    Args:
        stems: names of labelled pictures, all different.
        seed: another one draws otherwise.
    """
    groups: dict[str, list[int]] = {}
    for at, source in enumerate(named_sources([(stem, "") for stem in stems])):
        groups.setdefault(f"of {source}" if source is not None else f"alone {at}", []).append(at)
    drawn = list(groups.values()) if len(groups) > 2 else [[at] for at in range(len(stems))]
    random.Random(seed).shuffle(drawn)
    held = max(1, round(HELD_SHARE * len(stems)))
    val = _taken(drawn, held if len(stems) > 1 else 0, most=len(drawn) - 1)
    test = _taken(drawn, held if len(stems) > 2 else 0, most=len(drawn) - 1)
    return {stem: "validate" if at in val else "test" if at in test else "train" for at, stem in enumerate(stems)}


def _with_leaks(split: Split) -> Split:
    """The same split, which says so where the parts share a picture."""
    shared = pictures_in_two_parts([split.train, split.val, split.test])
    if split.leaks or not shared:
        return split
    more = f", and {len(shared) - 1} more such pairs" if len(shared) > 1 else ""
    return replace(split, leaks=True, note=f"{split.note} It leaks: {shared[0]}{more}. Its scores are too high.")


def _listed(numbers: Sequence[int]) -> str:
    """`1 to 7` for neighbours, else `1, 3, 9`."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))


def _own(scenes: list[Scene], seed: int) -> Split:
    """The split that the folders of the dataset say."""
    parts = {name: [scene for scene in scenes if scene.split == name] for name in ("train", "val", "test")}
    outside = [scene for scene in scenes if not scene.split]
    train, test = [*parts["train"], *outside], parts["test"]
    # Pictures that nobody labelled validate nothing; they do not train either, for they are held back.
    val = [scene for scene in parts["val"] if scene.mask is not None]
    named = ", ".join(name for name, found in parts.items() if found)
    if not train:
        drawn = _shuffled(scenes, seed)
        why = f"The dataset's own folders ({named}) are not the split, because none of them is for training"
        note = f"{why}: drawn over all of them with seed {seed}, so the scores cannot stand beside others' on them."
        # Pictures that the dataset holds back are among those that train.
        return Split(*drawn, rule="by-image", leaks=True, note=note)
    told = f" {len(outside)} pictures outside of them train as well." if outside and parts["train"] else ""
    if outside and not parts["train"]:
        told = f" There is no folder for training: the {len(outside)} pictures outside of them train."
    if not val:
        missing = "validation" if test else "validation and testing"
        where = f"None of the {len(parts['val'])} pictures for validation has labels" if parts["val"] else ""
        train, val, drawn_test = _shuffled(train, seed)
        # What the dataset gives to test with is enough; otherwise a share of the training pictures is held back.
        train, test = ([*train, *drawn_test], test) if test else (train, drawn_test)
        told += f" {where or f'There is no folder for {missing}'}: drawn from the training pictures with seed {seed}."
    counts = f"{len(train)} train, {len(val)} validate, {len(test)} test."
    note = f"By the dataset's own folders ({named}): {counts}{told}"
    return Split(train, val, test, rule="by-image", leaks=False, note=note)


def _by_image(scenes: list[Scene], parts: Parts | None, seed: int) -> Split:
    if any(scene.split for scene in scenes):
        return _own(scenes, seed)
    if parts is not None and all(parts.use_of(scene.part) for scene in scenes):
        train, val, test = (
            [scene for scene in scenes if parts.use_of(scene.part) == use] for use in ("train", "val", "test")
        )
        return Split(train, val, test, rule="by-image", leaks=False, note=f"By source image: {parts}.")
    train, val, test = _shuffled(scenes, seed)
    note = f"By source image, drawn with seed {seed}: {len(train)} train, {len(val)} validate, {len(test)} test."
    return Split(train, val, test, rule="by-image", leaks=False, note=note)


def _leave_tile_out(scenes: list[Scene], rule: str, parts: Parts | None, seed: int) -> Split:
    wanted = rule.removeprefix(_LEAVE_OUT).strip()
    tiles = sorted({scene.tile for scene in scenes if scene.tile})
    match = [tile for tile in tiles if tile.lower() in (wanted.lower(), f"tile {wanted.lower()}")]
    if not match:
        raise ConfigError(
            f"There is no tile {wanted!r} to leave out; these pictures have {', '.join(tiles) or 'no tiles'}."
        )
    others = _by_image([scene for scene in scenes if scene.tile != match[0]], parts, seed)
    note = (
        f"{match[0]} tests, whole. Of the other tiles {len(others.train)} pictures train and {len(others.val)} validate"
    )
    if others.test:
        note += f"; their {len(others.test)} test pictures stay unused, so that by-image scores stay honest"
    test = [scene for scene in scenes if scene.tile == match[0]]
    return Split(others.train, others.val, test, rule=rule, leaks=False, note=f"{note}.")


def _leaky_patches(scenes: list[Scene], seed: int, patch: int) -> Split:
    train, val, test = _shuffled([piece for scene in scenes for piece in _patches(scene, patch)], seed, apart=True)
    note = (
        "This split leaks: patches are drawn at random, so neighbours of a test patch are in training. "
        "Its scores are too high; use it only beside published figures that do the same."
    )
    return Split(train, val, test, rule="leaky-patches", leaks=True, note=note)


def _patches(scene: Scene, patch: int) -> list[Scene]:
    """Whole patches side by side from the top left; the remainder at the right and bottom is dropped."""
    return [
        replace(
            scene,
            name=f"{scene.name} ({y}, {x})",
            image=scene.image[y : y + patch, x : x + patch],
            mask=None if scene.mask is None else scene.mask[y : y + patch, x : x + patch],
        )
        for y in range(0, scene.height - patch + 1, patch)
        for x in range(0, scene.width - patch + 1, patch)
    ]


def _shuffled(scenes: list[Scene], seed: int, *, apart: bool = False) -> tuple[list[Scene], list[Scene], list[Scene]]:
    """Train, validation and test in the order given; validation gets a scene as soon as there are two.

    Scenes that are parts of one picture, or the same one twice, are drawn together, unless there is nothing
    else or they shall come `apart`.
    """
    alone = [[at] for at in range(len(scenes))]
    groups = alone if apart else related(scenes)
    if len(groups) == 1:
        groups = alone
    random.Random(seed).shuffle(groups)
    held = round(HELD_SHARE * len(scenes))
    count = max(1, held) if len(scenes) > 1 else 0
    val = _taken(groups, count, most=len(groups) - 1)
    test = _taken(groups, held, most=len(groups) - 1)
    return (
        [scene for at, scene in enumerate(scenes) if at not in val | test],
        [scenes[at] for at in sorted(val)],
        [scenes[at] for at in sorted(test)],
    )


def _taken(groups: list[list[int]], count: int, *, most: int) -> set[int]:
    """Whole groups from the front, taken out, until `count` scenes are there; `most` groups."""
    found: set[int] = set()
    while groups and len(found) < count and most > 0:
        found.update(groups.pop(0))
        most -= 1
    return found


def without_labels(count: int) -> str:
    """What becomes of so many pictures (1 or more) that nobody labelled."""
    if count == 1:
        return "1 more has no labels: a student learns what its teacher says of it."
    return f"{count:,} more have no labels: a student learns what its teacher says of them."
