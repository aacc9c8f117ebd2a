"""Training views: seeded random crops with scale, the eight symmetries of the square, and colour.

A view is a pure function of (seed, epoch, index). So a resumed run sees what the uninterrupted one would have seen,
and a teacher's output for a view can be stored and replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.band_set import RGB, BandSet
from core.data.scene import TEACHABLE, Scene
from core.errors import DataError

_MIXING, _PASTING = 1 << 40, 1 << 41
"""Set the draws of mixing and of pasting apart from those of the views."""
_PASTED_AREA, _PASTED_ASPECT = (0.1, 0.5), (0.5, 2.0)
"""Of a rectangle that is pasted: its share of the view, and its width / height."""
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Placement:
    """Where a view lies: a square of `side` pixels of scene number `scene`, scaled to the crop, then turned, mirrored.

    `top` and `left` count from the scene's corner; beyond its other borders it is reflected.
    """

    scene: int
    top: int
    left: int
    side: int
    turns: int
    flip: bool

    @property
    def window(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)

    def orient(self, view: NDArray[Any]) -> NDArray[Any]:
        """A view turned and mirrored as this placement says.

        Args:
            view: (S, S, …), square.

        Returns:
            (S, S, …).
        """
        turned = np.rot90(view, self.turns)
        return turned[:, ::-1] if self.flip else turned


Rectangle = tuple[slice, slice]
"""Rows and columns of a view."""
Labels = NDArray[np.int16]
"""Class indices, the ignored class, or `TEACHABLE`."""
Labelled = tuple[NDArray[Any], Labels]
"""One view or a batch of them, with its labels."""


@dataclass(frozen=True)
class ViewSampler:
    """Cuts views of `crop` x `crop` pixels from scenes, each chosen by its area.

    `scale` is the range of magnification (log-uniform); `colour` from 0 (none) to 1 (strong). `paste` is the share
    of views that get a rectangle of the next view of their batch, with its labels (CutMix, arXiv 1905.04899; for masks
    1906.01916); `mix` the most that the next view is blended in (mixup, 1710.09412). Scenes without a mask are
    `TEACHABLE`.
    """

    scenes: Sequence[Scene]
    crop: int
    scale: tuple[float, float]
    colour: float
    ignore_index: int
    seed: int
    mix: float = 0.0
    paste: float = 0.0

    def __post_init__(self) -> None:
        if not self.scenes:
            raise DataError("There is no training image: check the dataset and the split.")

    @property
    def default_views(self) -> int:
        """How many non-overlapping crops fit in the scenes: the size of an epoch if nobody says otherwise."""
        return sum(max(1, scene.height // self.crop) * max(1, scene.width // self.crop) for scene in self.scenes)

    def view(self, epoch: int, index: int) -> Labelled:
        """One view, with nothing pasted or mixed into it.

        Args:
            epoch: From 0.
            index: Of the view in its epoch, from 0.

        Returns:
            Image (S, S, C) in the type of the scenes, and labels int16 (S, S), S being `crop`.
        """
        random = self._random(epoch, index)
        place = self._place(random)
        image, mask = (place.orient(cut) for cut in self._cut(place))
        if self.colour:
            image = jitter(image, self.colour, random, self.scenes[place.scene].bands)
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)

    def placement(self, epoch: int, index: int) -> Placement:
        """Where `view` cuts, before anything is pasted or mixed into it."""
        return self._place(self._random(epoch, index))

    def pasted(self, epoch: int, indices: Sequence[int]) -> list[Rectangle | None]:
        """For each view of this batch the rectangle in which it shows the next one, if it does."""
        if not self.paste:
            return [None] * len(indices)
        random = self._random(epoch, indices[0], _PASTING)
        return [rectangle(self.crop, random) if random.random() < self.paste else None for _ in indices]

    def batch(self, epoch: int, indices: Sequence[int], *, only: Sequence[int] | None = None) -> Labelled:
        """A batch of views.

        Args:
            epoch: From 0.
            indices: Of its views in the epoch.
            only: Positions in the batch that are wanted; they are what they would be in the whole of it. None: all.

        Returns:
            Images (B, S, S, C) in the type of the scenes, and labels int16 (B, S, S), S being `crop`.
        """
        wanted = range(len(indices)) if only is None else only
        images, masks = self._stack(epoch, [indices[position] for position in wanted])
        if not self.mix and not self.paste:
            return images, masks
        if only is None:
            ahead = np.roll(images, -1, axis=0), np.roll(masks, -1, axis=0)
        else:
            ahead = self._stack(epoch, [indices[(position + 1) % len(indices)] for position in wanted])
        rectangles = self.pasted(epoch, indices)
        images, masks = _pasted(images, masks, *ahead, [rectangles[position] for position in wanted])
        if not self.mix:
            return images, masks
        random = self._random(epoch, indices[0], _MIXING)
        shares = random.uniform(0, self.mix, (len(indices), 1, 1, 1)).astype(np.float32)[list(wanted)]
        return self._blend(images, masks, *ahead, shares)

    def _random(self, epoch: int, index: int, purpose: int = 0) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self.seed ^ purpose, (epoch << 32) | index]))

    def _stack(self, epoch: int, indices: Sequence[int]) -> Labelled:
        views = [self.view(epoch, index) for index in indices]
        return np.stack([image for image, _ in views]), np.stack([mask for _, mask in views])

    def _blend(
        self,
        images: NDArray[Any],
        masks: Labels,
        next_images: NDArray[Any],
        next_masks: Labels,
        share: NDArray[np.float32],
    ) -> Labelled:
        """Each view with a share of the next one. Ignored where either is; no other pixel has a label of its own."""
        blended = (1 - share) * images + share * next_images
        rounding = 0.5 if images.dtype.kind == "u" else 0.0
        ignored = (masks == self.ignore_index) | (next_masks == self.ignore_index)
        labels = np.where(ignored, self.ignore_index, TEACHABLE).astype(np.int16)
        return (blended + rounding).astype(images.dtype), labels

    def _place(self, random: np.random.Generator) -> Placement:
        areas = np.array([scene.height * scene.width for scene in self.scenes], dtype=np.float64)
        number = int(random.choice(len(areas), p=areas / areas.sum()))
        scene = self.scenes[number]
        low, high = np.log(self.scale[0]), np.log(self.scale[1])
        side = round(self.crop / float(np.exp(random.uniform(low, high))))
        top = int(random.integers(max(scene.height, side) - side + 1))
        left = int(random.integers(max(scene.width, side) - side + 1))
        return Placement(number, top, left, side, turns=int(random.integers(4)), flip=bool(random.integers(2)))

    def _cut(self, place: Placement) -> Labelled:
        scene = self.scenes[place.scene]
        image, mask = _window(scene, place, self.ignore_index)
        cut = Image.fromarray(np.ascontiguousarray(mask)).resize((self.crop, self.crop), Image.Resampling.NEAREST)
        labels = np.asarray(cut).astype(np.int16)
        if scene.mask is None:
            labels[labels != self.ignore_index] = TEACHABLE
        return resized(image, self.crop), labels


def _window(scene: Scene, place: Placement, ignore_index: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """What a scene shows there, `place.side` pixels each way: beyond its borders by reflection, labels ignored.

    A scene without a mask gets one of the first class.
    """
    image = scene.image[place.window]
    mask = np.zeros(image.shape[:2], np.uint8) if scene.mask is None else scene.mask[place.window]
    down, right = place.side - image.shape[0], place.side - image.shape[1]
    if not down and not right:
        return image, mask
    image = np.pad(image, ((0, down), (0, right), (0, 0)), mode="symmetric")
    return image, np.pad(mask, ((0, down), (0, right)), constant_values=ignore_index)


def resized(image: NDArray[Any], side: int) -> NDArray[Any]:
    """A picture at another size, by the filter that Pillow calls bilinear.

    Args:
        image: (H, W, C).
        side: S, in pixels.

    Returns:
        (S, S, C) in the same type.
    """
    size, how = (side, side), Image.Resampling.BILINEAR
    if image.dtype == np.uint8 and image.shape[2] == len(RGB):
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, how))
    exact = image if image.dtype == np.uint8 else image.astype(np.float32)
    planes = [np.ascontiguousarray(exact[..., band]) for band in range(image.shape[2])]
    found = np.stack([np.asarray(Image.fromarray(plane).resize(size, how)) for plane in planes], axis=2)
    if image.dtype == np.uint16:
        found = np.clip(np.round(found), 0, np.iinfo(np.uint16).max)
    return found.astype(image.dtype, copy=False)


def rectangle(side: int, random: np.random.Generator) -> Rectangle:
    """One to paste, that lies in a view of `side` pixels."""
    area = random.uniform(*_PASTED_AREA)
    aspect = float(np.exp(random.uniform(*np.log(_PASTED_ASPECT))))
    height, width = (min(side, round(side * float(np.sqrt(share)))) for share in (area / aspect, area * aspect))
    top, left = int(random.integers(side - height + 1)), int(random.integers(side - width + 1))
    return slice(top, top + height), slice(left, left + width)


def _pasted(
    images: NDArray[Any],
    masks: Labels,
    next_images: NDArray[Any],
    next_masks: Labels,
    rectangles: Sequence[Rectangle | None],
) -> Labelled:
    """Each view with what the next one has in its rectangle, if it has one."""
    images, masks = images.copy(), masks.copy()
    for at, rectangle in enumerate(rectangles):
        if rectangle is not None:
            images[at][rectangle], masks[at][rectangle] = next_images[at][rectangle], next_masks[at][rectangle]
    return images, masks


def jitter(
    image: NDArray[Any], strength: float, random: np.random.Generator, bands: BandSet | None = None
) -> NDArray[Any]:
    """Brightness, contrast and the balance of the channels, and saturation where three of them are colours.

    Channel by channel without a matrix product: on so small a matrix the threads of a BLAS cost seven times the work.

    Args:
        image: (H, W, C).
        strength: From 0 (none) to 1 (strong).
        random: What it is drawn from.
        bands: Of the picture. None: colours.

    Returns:
        (H, W, C) in the same type. Of 8-bit values 128 stays as it is when contrast changes; of deeper ones the mean
        of each channel does, and they get brighter by up to two standard deviations.
    """
    drawn: Any = random.uniform(-1, 1, 3)
    brightness, contrast, saturation = (1 + strength * drawn).astype(np.float32)
    drawn = random.uniform(-1, 1, image.shape[2])
    balance = (1 + 0.3 * strength * drawn).astype(np.float32)
    channels = image.transpose(2, 0, 1).astype(np.float32)
    names = RGB if bands is None else bands.names
    if set(RGB) <= set(names):
        of_colours = [names.index(name) for name in RGB]
        grey: Any = sum(weight * channels[at] for weight, at in zip(_LUMA, of_colours, strict=True))
        for at in of_colours:
            channels[at] = saturation * channels[at] + (1 - saturation) * grey
    if image.dtype == np.uint8:
        offset: Any = 128 * (1 - contrast) + 128 * (brightness - 1)
    else:
        middle, spread = (of(channels, axis=(1, 2), keepdims=True) for of in (np.mean, np.std))
        offset = middle * (1 - contrast) + 2 * spread * (brightness - 1)
    channels = (contrast * balance)[:, None, None] * channels + offset
    if image.dtype.kind == "u":
        channels = np.clip(channels, 0, np.iinfo(image.dtype).max)
    found: NDArray[Any] = channels.astype(image.dtype).transpose(1, 2, 0)
    return found
