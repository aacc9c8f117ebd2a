"""Many pictures, one after another: `python -m core predict`, and the runs behind the app's page for own images.

A picture that is refused does not stop the others.
"""

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core import checkpoint, device
from core.checkpoint import Loaded
from core.errors import DiskFullError, ImageError, TerrastillError
from core.events import Cancelled, OnProgress
from core.freed_memory import keep_freed_memory
from core.imagery.confined_picture import ConfinedPicture
from core.imagery.limits import Limits
from core.infer.outputs.mask_polygons import PolygonSettings
from core.infer.picture import PictureOutputs, Wanted, check_comparable, predict_picture
from core.infer.tiling import Tiling
from core.out_of_memory import lacking, out_of_memory_as

_LONGEST_REASON = 160


@dataclass(frozen=True)
class Item:
    """A picture at `path`, shown to people as `name`, whose files begin with `stem`."""

    path: str
    name: str
    stem: str


@dataclass(frozen=True)
class BatchRequest:
    """What is to be done. `bands` are the numbers of red, green and blue, and `ground` the width of a pixel
    in metres, where the file does not give them."""

    items: tuple[Item, ...]
    model: str
    wanted: Wanted = field(default_factory=Wanted)
    teacher: str | None = None
    tiling: Tiling = field(default_factory=Tiling)
    bands: tuple[int, ...] | None = None
    device: str = "auto"
    limits: Limits = field(default_factory=Limits)
    polygons: PolygonSettings = field(default_factory=PolygonSettings)
    ground: float | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "BatchRequest":
        """From JSON values, as the store keeps them."""
        return cls(
            items=tuple(Item(**item) for item in data["items"]),
            model=data["model"],
            wanted=Wanted(**data["wanted"]),
            teacher=data["teacher"],
            tiling=Tiling(**data["tiling"]),
            polygons=PolygonSettings(**data.get("polygons", {})),
            bands=tuple(data["bands"]) if data["bands"] else None,
            device=data["device"],
            ground=data.get("ground"),
            limits=Limits(**data["limits"]),
        )


@dataclass
class PictureResult:
    """One picture that is finished: `error` is a sentence that says why it failed, or None."""

    name: str
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    width: int = 0
    height: int = 0
    metres_per_pixel: float | None = None
    seconds: float = 0.0
    outputs: PictureOutputs = field(default_factory=PictureOutputs)

    def to_json(self) -> dict[str, Any]:
        plain = {**asdict(self.outputs), **self.__dict__}
        del plain["outputs"]
        plain["files"] = [str(path) for path in self.outputs.files]
        return plain


class BatchPredictor:
    """The models of a request, loaded once, to segment each of its items. Raises `ConfigError`, `ModelError`."""

    def __init__(self, request: BatchRequest) -> None:
        keep_freed_memory()
        self._request = request
        self._device = device.choose(request.device)
        self._loaded = self._load(request.model)
        self._teacher = self._load(request.teacher) if request.teacher else None
        if self._teacher is not None:
            check_comparable(self._loaded, self._teacher)

    def _load(self, name: str) -> Loaded:
        return checkpoint.load(checkpoint.resolve(name), device=self._device)

    def predict(
        self, item: Item, *, progress: OnProgress | None = None, cancelled: Cancelled | None = None
    ) -> PictureResult:
        """Do one picture. Whatever is wrong with it is its result; raises `CancelledError` alone."""
        try:
            with out_of_memory_as(ImageError(lacking("segmenting", name=item.name))):
                return self._done(item, progress, cancelled)
        except (TerrastillError, OSError, ValueError, RuntimeError) as error:
            return PictureResult(item.name, error=failure_sentence(item.name, error))

    def _opened(self, item: Item, loaded: Loaded) -> ConfinedPicture:
        """The picture in the bands of a model. Raises `ImageError`."""
        return ConfinedPicture(
            Path(item.path),
            name=item.name,
            limits=self._request.limits,
            bands=self._request.bands,
            band_set=loaded.card.bands,
        )

    def _done(self, item: Item, progress: OnProgress | None, cancelled: Cancelled | None) -> PictureResult:
        started = time.monotonic()
        request = self._request
        with ExitStack() as opened:
            picture = opened.enter_context(self._opened(item, self._loaded))
            picture.info = picture.info.with_ground(request.ground)
            other = None
            if self._teacher is not None and self._teacher.card.bands != self._loaded.card.bands:
                other = opened.enter_context(self._opened(item, self._teacher))
            outputs = predict_picture(
                picture,
                Path(item.stem),
                self._loaded,
                request.wanted,
                device=self._device,
                tiling=request.tiling,
                polygons=request.polygons,
                teacher=self._teacher,
                progress=progress,
                cancelled=cancelled,
                for_teacher=other,
            )
            info = picture.info
        seconds = time.monotonic() - started
        notes = [*info.notes, *outputs.notes]
        return PictureResult(item.name, None, notes, info.width, info.height, info.metres_per_pixel, seconds, outputs)


def failure_sentence(name: str, error: Exception) -> str:
    """One sentence on a picture that could not be done, without a path of this machine."""
    if isinstance(error, ImageError):
        return str(error)
    failed = f"{name} could not be segmented"
    if isinstance(error, DiskFullError):
        return f"{failed}: the disk is full. Free some space, or write to another disk."
    if isinstance(error, TerrastillError):
        return f"{failed}. {error}"
    if isinstance(error, OSError):
        return f"{failed}: {error.strerror or type(error).__name__}. Check the folder for results, and its rights."
    first = (str(error).splitlines() or [""])[0][:_LONGEST_REASON]
    return f"{failed} ({type(error).__name__}: {first}). Try another model, or save the picture anew."
