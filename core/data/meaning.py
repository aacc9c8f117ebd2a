"""What the values and colours of masks mean: decided once for a whole dataset, never for a file.

A file may happen to hold 0 and 1 alone, or only colours that are near those of some classes; its siblings tell what
that means. Each mask is read once (`Reading`), all of them together decide (`decide`), and then each is turned into
class indices by that one `Meaning`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core import image
from core.classes import ClassMap
from core.data.palette import FAR, REFUSE_SHARE, WARN_SHARE, to_indices
from core.errors import ImageError, PairError
from core.imagery.labels import UNLABELLED, StoredMask

_MOST_FAR = 0.5
"""With more far pixels than this over a whole dataset, its colours are not those of the classes."""
_VALUES = 256
_BLUR, _MOST_BLURRED = 32, 0.8
"""How many values at either end count as blurred 0 and 255, and the share of pixels that they have at least."""


@dataclass(frozen=True)
class Reading:
    """One mask before its meaning is decided; all arrays are (H, W).

    `values` uint8: what the file holds, a class or a place in its palette; None where it holds true colours.
    `near` uint8: the class whose colour is nearest, for palettes and colours; `far` of its pixels are near none.
    `seen` bool: where the file holds a label; elsewhere nobody labelled, or a colour says so.
    """

    values: NDArray[np.uint8] | None
    near: NDArray[np.uint8] | None
    far: int
    seen: NDArray[np.bool_]
    labelled: NDArray[np.bool_] | None
    palette: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.seen.shape

    def counts(self) -> NDArray[np.int64]:
        """How many pixels hold each of the values 0 to 255.

        Returns:
            (256,).
        """
        assert self.values is not None
        values = self.values if self.labelled is None else self.values[self.labelled]
        return value_counts(values)


def value_counts(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many pixels hold each of the values 0 to 255.

    Args:
        values: of any shape (…).

    Returns:
        (256,).
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    if flat.size % 2 or flat.size < _VALUES**2:
        return np.bincount(flat, minlength=_VALUES)
    # Two at a time: half as many to count.
    pairs = np.bincount(flat.view(np.uint16), minlength=_VALUES**2).reshape(_VALUES, _VALUES)
    found: NDArray[np.int64] = pairs.sum(axis=0) + pairs.sum(axis=1)
    return found


@dataclass(frozen=True)
class Meaning:
    """How the masks of a dataset are turned into class indices.

    `by_value` says that palettes count by their values, not their colours, `grey` that colour pictures do, which hold
    nothing but grey. `table` uint8 (256,) is the class of each value and `known` bool (256,) whether it has one.
    `notes` tell the person what was decided, and `refusal` why the masks cannot be used.
    """

    table: NDArray[np.uint8]
    known: NDArray[np.bool_]
    by_value: bool = False
    grey: bool = False
    notes: list[str] = field(default_factory=list)
    refusal: str | None = None


def read_for_meaning(stored: StoredMask, class_map: ClassMap) -> Reading:
    """One mask as it is stored, and what its colours would mean."""
    labelled, values = stored.labelled, stored.values
    if values.ndim == 2 and stored.palette is None:
        return Reading(values, None, 0, _where(labelled, values.shape), labelled)
    if values.ndim == 2 and stored.palette is not None:
        colours = np.zeros((_VALUES, 3), np.uint8)
        colours[: len(stored.palette)] = stored.palette[:_VALUES]
        places = np.unique(values)
        each = {at: to_indices(colours[at][None, None], class_map) for at in places.tolist()}
        nearest, far = np.zeros(_VALUES, np.uint8), np.zeros(_VALUES, np.bool_)
        nearest[places] = [found[0, 0] for found, _ in each.values()]
        far[places] = [count > 0 for _, count in each.values()]
        near, void = nearest[values], _is_void(colours, class_map)
        seen = _where(labelled, values.shape) & ~void[values]
        return Reading(values, near, int((far[values] & seen).sum()), seen, labelled, palette=True)
    rgb = values if labelled is None else np.where(labelled[..., None], values, np.uint8(0))
    near, far_count = to_indices(rgb, class_map)
    seen = _where(labelled, rgb.shape[:2]) & ~_is_void(rgb, class_map)
    if labelled is not None:
        far_count = to_indices(rgb[seen][None], class_map)[1] if seen.any() else 0
    grey = bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())
    return Reading(np.ascontiguousarray(rgb[..., 0]) if grey else None, near, far_count, seen, labelled)


def read_numbers(stored: StoredMask) -> Reading:
    """One mask that holds class numbers, whatever palette it comes with. Raises `PairError` for colours."""
    values = stored.values
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            raise PairError("its mask holds colours: write the numbers of the classes, and 255 where nobody labelled.")
        values = np.ascontiguousarray(values[..., 0])
    return Reading(values, None, 0, _where(stored.labelled, values.shape), stored.labelled)


def by_number(class_map: ClassMap) -> Meaning:
    """What masks mean that hold the numbers of the classes, from 0, and 255 where nobody labelled."""
    table, known = _from(class_map, 0)
    known[class_map.ignore_index : UNLABELLED] = False
    return Meaning(table, known)


def decide(readings: Sequence[Reading], class_map: ClassMap) -> Meaning:
    """What the masks of a dataset mean, all of them together."""
    palettes = [reading for reading in readings if reading.palette]
    colours = [reading for reading in readings if reading.near is not None and not reading.palette]
    plain = [reading for reading in readings if reading.near is None]
    by_value = _share_far(palettes) > REFUSE_SHARE
    grey = bool(colours) and all(reading.values is not None for reading in colours) and _share_far(colours) > WARN_SHARE
    judged = [*plain, *(palettes if by_value else []), *(colours if grey else [])]
    if not judged:
        return Meaning(*_from(class_map, 0), refusal=_other_colours(colours, class_map))
    counts = np.sum([reading.counts() for reading in judged], axis=0)
    first, notes, refusal = _numbering(counts, class_map)
    if grey:
        notes.append("The colour masks hold nothing but grey: its values are taken for class numbers.")
    if not refusal and not grey:
        refusal = _other_colours(colours, class_map)
    return Meaning(*_from(class_map, first), by_value, grey, notes, refusal)


def interpret(reading: Reading, meaning: Meaning, class_map: ClassMap) -> tuple[NDArray[np.uint8], int, str]:
    """The class indices of a mask whose meaning is known.

    Args:
        reading: The mask.
        meaning: Of all masks of its dataset.
        class_map: The classes and their colours.

    Returns:
        Class indices uint8 (H, W), how many of its pixels have no class, and a sentence's end about these.
    """
    if not counts_by_value(reading, meaning):
        assert reading.near is not None
        indices, unknown = reading.near, reading.far
        told = f"are further than {FAR} from every class colour"
    else:
        assert reading.values is not None
        counts = reading.counts()
        strange = np.flatnonzero((counts > 0) & ~meaning.known)
        indices, unknown = meaning.table[reading.values], int(counts[strange].sum())
        told = f"hold values that are no class ({_listed(strange.tolist())})"
    if reading.labelled is not None:
        indices = np.where(reading.labelled, indices, np.uint8(class_map.ignore_index))
    return indices, unknown, told


def counts_by_value(reading: Reading, meaning: Meaning) -> bool:
    """Whether a mask counts by its values, not by its colours."""
    return reading.near is None or (meaning.by_value if reading.palette else meaning.grey)


def consequence(reading: Reading, meaning: Meaning, class_map: ClassMap) -> str:
    """What becomes of pixels without a class: `each was given to the nearest`, or the ignored class."""
    by_value = counts_by_value(reading, meaning)
    return f"they count as {class_map.names[class_map.ignore_index]}" if by_value else "each was given to the nearest"


def read_mask(source: Path | bytes, class_map: ClassMap) -> tuple[NDArray[np.uint8], int]:
    """The class indices of a mask that is a dataset of its own.

    Args:
        source: A file, or its bytes.
        class_map: The classes and their colours.

    Returns:
        Class indices uint8 (H, W), and how many of its pixels have no class.

    Raises:
        ImageError: It cannot be read, or its meaning is not known.
    """
    reading = read_for_meaning(image.read_mask(source), class_map)
    meaning = decide([reading], class_map)
    if meaning.refusal:
        raise ImageError(f"{source.name if isinstance(source, Path) else 'This mask'}: {meaning.refusal}")
    return interpret(reading, meaning, class_map)[:2]


def _numbering(counts: NDArray[np.int64], class_map: ClassMap) -> tuple[int, list[str], str | None]:
    """The value of the first class, what to tell of it, and why the values cannot be used.

    Args:
        counts: pixels of each value, int64 (256,), over a whole dataset.
        class_map: the classes that the values may stand for.
    """
    names, ignored = class_map.names, class_map.names[class_map.ignore_index]
    used = set(np.flatnonzero(counts).tolist())
    values, most = used - {UNLABELLED}, class_map.outputs
    notes = []
    if used == {0, UNLABELLED}:
        return 0, [], _binary(class_map)
    if _is_blurred_binary(counts, most):
        return 0, [], _binary(class_map)
    if UNLABELLED in used:
        notes.append(f"255 in the masks means that nobody labelled ({counts[UNLABELLED]:,} pixels): {ignored}.")
    scored = set(range(1, most + 1))
    from_one = 0 not in values and (
        (values <= scored | {most + 1} and most + 1 in values) or (values == scored and UNLABELLED in used)
    )
    if from_one:
        told = f"The masks count from 1: 1 is {names[0]}, 2 {names[1]} … {max(values)} {names[max(values) - 1]}."
        return 1, [told, *notes], None
    if values == scored:
        return 0, notes, _either(class_map)
    whole = counts[[*used]].sum()
    if values >= set(range(most + 2)) and counts[most + 1] > WARN_SHARE * whole and max(values) == most + 1:
        return 0, notes, _either(class_map)
    if used == {0}:
        notes.append(f"The masks hold 0 alone: every pixel is {names[0]}. Where 0 is what nobody labelled, write 255.")
    if values == {0, 1}:
        notes.append(
            f"The masks hold 0 and 1 alone: they are read as {names[0]} and {names[1]}. Where they only tell one thing "
            "from the rest, they are not masks of these classes."
        )
    elif 0 not in values and values and max(values) <= most:
        notes.append(
            f"No mask holds 0: {min(values)} is read as {names[min(values)]}. Where they count from 1, take 1 from "
            "every value."
        )
    return 0, notes, None


def _is_blurred_binary(counts: NDArray[np.int64], most: int) -> bool:
    """Whether the values were 0 and 255 before JPEG or resampling made others of them, mostly near these two."""
    whole, near_0, near_255 = counts.sum(), counts[:_BLUR].sum(), counts[-_BLUR:].sum()
    blurred = counts[most + 1 : UNLABELLED].sum() > WARN_SHARE * whole and counts[-_BLUR:UNLABELLED].sum() > 0
    return bool(blurred and near_0 and near_255 and near_0 + near_255 > _MOST_BLURRED * whole)


def _binary(class_map: ClassMap) -> str:
    return (
        f"These masks are binary: they hold 0 and 255 alone, which tells one thing from the rest and none of the "
        f"classes {', '.join(class_map.scored_names)}. {_advice(class_map)}"
    )


def _either(class_map: ClassMap) -> str:
    return (
        f"These masks may count from 0 or from 1: their values fit both, and the classes would be others. "
        f"{_advice(class_map)}"
    )


def _advice(class_map: ClassMap) -> str:
    last = class_map.outputs - 1
    return (
        f"Save them with the numbers 0 ({class_map.names[0]}) to {last} ({class_map.names[last]}) and 255 where nobody "
        "labelled, or with the colours of the classes."
    )


def _other_colours(colours: Sequence[Reading], class_map: ClassMap) -> str | None:
    """Why colour masks cannot be used, whose colours are mostly not those of the classes."""
    if _share_far(colours) <= _MOST_FAR or len(colours) < 2:
        return None
    wanted = ", ".join(
        f"{name} #{r:02X}{g:02X}{b:02X}" for name, (r, g, b) in zip(class_map.names, class_map.colours, strict=True)
    )
    return (
        f"unknown colours: {_share_far(colours):.1%} of the labelled pixels of all masks are further than {FAR} from "
        f"every class colour, so they have a palette of their own. Recolour them: {wanted}."
    )


def _from(class_map: ClassMap, first: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The class of each value where the first class has the value `first`, and whether the value is known."""
    table = np.full(_VALUES, class_map.ignore_index, np.uint8)
    known = np.zeros(_VALUES, np.bool_)
    numbers = np.arange(min(len(class_map.names), _VALUES - first), dtype=np.uint8)
    table[first : first + len(numbers)] = numbers
    known[first : first + len(numbers)] = True
    known[UNLABELLED] = True
    return table, known


def _share_far(readings: Sequence[Reading]) -> float:
    seen = sum(int(reading.seen.sum()) for reading in readings)
    return sum(reading.far for reading in readings) / max(1, seen)


def _is_void(colours: NDArray[np.uint8], class_map: ClassMap) -> NDArray[np.bool_]:
    """Which of the colours (…, 3) say that nobody labelled."""
    found = np.zeros(colours.shape[:-1], np.bool_)
    for void in class_map.void_colours:
        found |= (colours == np.array(void, np.uint8)).all(axis=-1)
    return found


def _where(labelled: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.ones(shape, np.bool_) if labelled is None else labelled


def _listed(values: Sequence[int]) -> str:
    """`7, 9`; more than five as `7 to 30`."""
    return ", ".join(map(str, values)) if len(values) <= 5 else f"{min(values)} to {max(values)}"
