"""Training views: seeded random crops with scale, the eight symmetries of the square, and colour.

A view is a pure function of (seed, epoch, index). So a resumed run sees what the uninterrupted one would have seen,
and a teacher's output for a view can be stored and replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.scene import TEACHABLE, Scene
from core.errors import DataError

_MIXING = 1 << 40
"""Sets the draws of mixing apart from those of the views."""
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class ViewSampler:
    """Cuts views of `crop` x `crop` pixels from scenes, each chosen by its area.

    `scale` is the range of magnification (log-uniform); `colour` from 0 (none) to 1 (strong). `mix` is the most that
    the next view of its batch is blended into a view (mixup, arXiv 1710.09412). Scenes without a mask are `TEACHABLE`.
    """

    scenes: Sequence[Scene]
    crop: int
    scale: tuple[float, float]
    colour: float
    ignore_index: int
    seed: int
    mix: float = 0.0

    def __post_init__(self) -> None:
        if not self.scenes:
            raise DataError("There is no training image: check the dataset and the split.")

    @property
    def default_views(self) -> int:
        """How many non-overlapping crops fit in the scenes: the size of an epoch if nobody says otherwise."""
        return sum(max(1, scene.height // self.crop) * max(1, scene.width // self.crop) for scene in self.scenes)

    def view(self, epoch: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image uint8 (crop, crop, 3) and mask uint8 (crop, crop)."""
        random = np.random.Generator(np.random.Philox(key=[self.seed, (epoch << 32) | index]))
        areas = np.array([scene.height * scene.width for scene in self.scenes], dtype=np.float64)
        scene = self.scenes[int(random.choice(len(areas), p=areas / areas.sum()))]
        image, mask = self._cut(scene, random)
        turns, flip = int(random.integers(4)), bool(random.integers(2))
        image, mask = np.rot90(image, turns), np.rot90(mask, turns)
        if flip:
            image, mask = image[:, ::-1], mask[:, ::-1]
        if self.colour:
            image = _jitter(image, self.colour, random)
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)

    def batch(
        self, epoch: int, indices: Sequence[int], *, only: Sequence[int] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Images uint8 (B, crop, crop, 3) and masks uint8 (B, crop, crop).

        `only` names the positions in the batch that are wanted; they are what they would be in the whole of it.
        """
        wanted = range(len(indices)) if only is None else only
        images, masks = self._stack(epoch, [indices[position] for position in wanted])
        if not self.mix:
            return images, masks
        if only is None:
            ahead = np.roll(images, -1, axis=0), np.roll(masks, -1, axis=0)
        else:
            ahead = self._stack(epoch, [indices[(position + 1) % len(indices)] for position in wanted])
        random = np.random.Generator(np.random.Philox(key=[self.seed ^ _MIXING, (epoch << 32) | indices[0]]))
        shares = random.uniform(0, self.mix, (len(indices), 1, 1, 1)).astype(np.float32)[list(wanted)]
        return self._blend(images, masks, *ahead, shares)

    def _stack(self, epoch: int, indices: Sequence[int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        views = [self.view(epoch, index) for index in indices]
        return np.stack([image for image, _ in views]), np.stack([mask for _, mask in views])

    def _blend(
        self,
        images: NDArray[np.uint8],
        masks: NDArray[np.uint8],
        next_images: NDArray[np.uint8],
        next_masks: NDArray[np.uint8],
        share: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Each view with a share of the next one. Ignored where either is; no other pixel has a label of its own."""
        blended = (1 - share) * images + share * next_images
        ignored = (masks == self.ignore_index) | (next_masks == self.ignore_index)
        labels = np.where(ignored, self.ignore_index, TEACHABLE).astype(np.uint8)
        return (blended + 0.5).astype(np.uint8), labels

    def _cut(self, scene: Scene, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        low, high = np.log(self.scale[0]), np.log(self.scale[1])
        side = round(self.crop / float(np.exp(random.uniform(low, high))))
        image, mask = _pad_to(scene, side, self.ignore_index)
        y = int(random.integers(image.shape[0] - side + 1))
        x = int(random.integers(image.shape[1] - side + 1))
        window = (slice(y, y + side), slice(x, x + side))
        size = (self.crop, self.crop)
        picture = Image.fromarray(np.ascontiguousarray(image[window])).resize(size, Image.Resampling.BILINEAR)
        labels = Image.fromarray(np.ascontiguousarray(mask[window])).resize(size, Image.Resampling.NEAREST)
        return np.asarray(picture), np.asarray(labels)


def _pad_to(scene: Scene, side: int, ignore_index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The scene at least `side` pixels each way: the picture by reflection, the mask by the ignored class."""
    mask = np.full((scene.height, scene.width), TEACHABLE, np.uint8) if scene.mask is None else scene.mask
    down, right = max(0, side - scene.height), max(0, side - scene.width)
    if not down and not right:
        return scene.image, mask
    image = np.pad(scene.image, ((0, down), (0, right), (0, 0)), mode="symmetric")
    return image, np.pad(mask, ((0, down), (0, right)), constant_values=ignore_index)


def _jitter(image: NDArray[np.uint8], strength: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, saturation and the balance of the channels.

    Channel by channel without a matrix product: on so small a matrix the threads of a BLAS cost seven times the work.
    """
    brightness, contrast, saturation = (1 + strength * random.uniform(-1, 1, 3)).astype(np.float32)
    balance = (1 + 0.3 * strength * random.uniform(-1, 1, 3)).astype(np.float32)
    channels = image.transpose(2, 0, 1).astype(np.float32)
    grey = sum(weight * channel for weight, channel in zip(_LUMA, channels, strict=True))
    channels = saturation * channels + (1 - saturation) * grey
    offset = 128 * (1 - contrast) + 128 * (brightness - 1)
    channels = (contrast * balance)[:, None, None] * channels + offset
    jittered: NDArray[np.uint8] = np.clip(channels, 0, 255).astype(np.uint8)
    return jittered.transpose(1, 2, 0)
