"""The teacher's outputs for exactly the views that the student will see, on disk, so that it runs once a view.

Logits, and features where a loss asks for them: those always in half precision, of the one module that it takes. The
first `cache_views` epochs of views are stored, as `cache_form` says, and replayed in turn. What it costs in
accuracy is that a student sees that many epochs of different views and no more; it was not measured. `picture_cache`
asks less of the teacher and gives new views for ever, but its outputs are not for the very views.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from core.data.transforms import ViewSampler
from core.events import Cancelled, Emit, MessageEvent
from core.train.batches import Batch, epoch_batches
from core.train.distributed import ALONE, Group
from core.train.logit_store import Form, LogitStore, fidelity, mark_done, progress, row_bytes
from core.train.step import FrozenTeacher, TeacherOutput

Shape = tuple[int, int, int]
"""Channels, height and width of what is stored of one view."""


class ViewCache:
    """Answers to `epochs` epochs of `views` views each. `seconds` is what it took to make them."""

    def __init__(self, stores: Sequence[LogitStore], views: int, epochs: int, seconds: float) -> None:
        self._stores = stores
        self._views = views
        self.epochs = epochs
        self.seconds = seconds

    def output(self, batch: Batch) -> TeacherOutput:
        """The teacher's output for the views of a batch made with `view_epoch`."""
        rows = [batch.epoch % self.epochs * self._views + view for view in batch.views]
        return TeacherOutput(*(store.read(rows) for store in self._stores))


def bytes_needed(*, epochs: int, views: int, outputs: int, crop: int, form: Form, features: Shape | None = None) -> int:
    """Disk that a cache takes, in bytes: known before it is made. `features` is their shape for one view."""
    return epochs * views * sum(row_bytes(*kind) for kind in _kinds(outputs, crop, form, features).values())


def _kinds(outputs: int, crop: int, form: Form, features: Shape | None) -> dict[str, tuple[Shape, Form]]:
    """What is stored, by the ending of its file."""
    kinds: dict[str, tuple[Shape, Form]] = {".logits": ((outputs, crop, crop), form)}
    return kinds if features is None else kinds | {".features": (features, "float16")}


def build(
    path: Path,
    *,
    teacher: FrozenTeacher,
    sampler: ViewSampler,
    epochs: int,
    views: int,
    batch_size: int,
    outputs: int,
    form: Form,
    identity: dict[str, object],
    emit: Emit,
    cancelled: Cancelled,
    features: Shape | None = None,
    group: Group = ALONE,
    clock: Callable[[], float] = time.perf_counter,
) -> ViewCache | None:
    """Fill the cache at `path`, going on where an earlier attempt stopped; None when cancelled.

    `clock` tells the seconds that it takes. `identity` says what the outputs depend on; a file made from anything else
    is made again. The devices in `group` share each batch, whose `batch_size` is that of all of them. They must see the
    same disk.
    """
    views = views // batch_size * batch_size
    kinds, mark = _kinds(outputs, sampler.crop, form, features), path.with_suffix(".json")
    known_by = json.dumps(identity | {"views": epochs * views, "kinds": kinds}, sort_keys=True)
    sizes = {path.with_suffix(end): epochs * views * row_bytes(*kind) for end, kind in kinds.items()}
    found = progress(mark, sizes, known_by) if group.leads else (0, 0.0)
    done, spent = int(group.broadcast(found[0])), group.broadcast(found[1])
    started = clock()
    stores = _open(sizes, kinds, views=epochs * views, fresh=not done, group=group)

    def stopped() -> bool:
        return bool(group.broadcast(cancelled()))

    for epoch in range(done, epochs):
        batches = epoch_batches(sampler, epoch=epoch, views=views, batch_size=batch_size, group=group)
        if not _fill(
            stores, teacher, batches, epoch * views, emit=emit, stopped=lambda: bool(group.broadcast(cancelled()))
        ):
            return None
        group.wait()
        if group.leads:
            mark_done(mark, known_by, epoch + 1, spent + clock() - started)
        emit(MessageEvent(f"Stored the teacher's outputs for {epoch + 1} of {epochs} epochs of views."))
    return ViewCache(stores, views, epochs, spent + clock() - started)


def _fill(
    stores: Sequence[LogitStore],
    teacher: FrozenTeacher,
    batches: Iterator[Batch],
    start: int,
    *,
    emit: Emit,
    stopped: Callable[[], bool],
) -> bool:
    """Store the outputs for an epoch of views from row `start` on; whether it was not stopped."""
    for batch in batches:
        if stopped():
            return False
        output, rows = teacher.output(batch.images), [start + view for view in batch.views]
        for store, values in zip(stores, output, strict=False):
            assert values is not None, "the teacher was not tapped for the features that are to be stored"
            store.write(rows, values)
        if start == batch.first == 0:
            emit(MessageEvent(fidelity(output.logits, stores[0].read(rows))))
    for store in stores:
        store.flush()
    return True


def _open(
    sizes: dict[Path, int], kinds: dict[str, tuple[Shape, Form]], *, views: int, fresh: bool, group: Group
) -> list[LogitStore]:
    """The files of the cache. Where they are new, the first process makes them before the others open them."""

    def stores(fresh: bool) -> list[LogitStore]:
        return [
            LogitStore(path, views=views, shape=kinds[path.suffix][0], form=kinds[path.suffix][1], fresh=fresh)
            for path in sizes
        ]

    if not group.leads:
        group.wait()
        return stores(fresh=False)
    for path in sizes:
        path.parent.mkdir(parents=True, exist_ok=True)
    found = stores(fresh)
    group.wait()
    return found
