"""The teacher's logits for exactly the views that the student will see, on disk, so that the teacher runs once a view.

The first `cache_views` epochs of views are stored, as `cache_form` says, and replayed in turn. What it costs in
accuracy is that a student sees that many epochs of different views and no more; not measured yet.
"""

import json
import time
from pathlib import Path

from torch import Tensor

from core.data.transforms import ViewSampler
from core.files import write_aside
from core.train.batches import Batch, epoch_batches
from core.train.events import Cancelled, Emit, MessageEvent
from core.train.logit_store import Form, LogitStore, row_bytes
from core.train.step import Answer, FrozenTeacher


class TeacherCache:
    """Logits of `epochs` epochs of `views` views each. `seconds` is what it took to make them."""

    def __init__(self, store: LogitStore, views: int, epochs: int, seconds: float) -> None:
        self._store = store
        self._views = views
        self.epochs = epochs
        self.seconds = seconds

    def answer(self, batch: Batch) -> Answer:
        """What the teacher said to the views of a batch made with `view_epoch`."""
        first = (batch.epoch % self.epochs) * self._views + batch.first
        return Answer(self._store.read(first, len(batch.images)))


def bytes_needed(*, epochs: int, views: int, outputs: int, crop: int, form: Form) -> int:
    """Disk that a cache takes, in bytes: known before it is made."""
    return epochs * views * row_bytes((outputs, crop, crop), form)


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
) -> TeacherCache | None:
    """Fill the cache at `path`, going on where an earlier attempt stopped; None when cancelled.

    `identity` says what the logits depend on (teacher, seed, views); a file made from anything else is made again.
    """
    views = views // batch_size * batch_size
    shape = (outputs, sampler.crop, sampler.crop)
    mark = path.with_suffix(".json")
    size = epochs * views * row_bytes(shape, form)
    # As text, in which a tuple is the list that it comes back as.
    known_by = json.dumps(identity | {"views": epochs * views, "shape": shape, "form": form}, sort_keys=True)
    done, spent = _progress(mark, path, size, known_by)
    started = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    store = LogitStore(path, views=epochs * views, shape=shape, form=form, fresh=not done)
    for epoch in range(done, epochs):
        for batch in epoch_batches(sampler, epoch=epoch, views=views, batch_size=batch_size):
            if cancelled():
                return None
            logits = teacher.answer(batch.images).logits
            store.write(epoch * views + batch.first, logits)
            if epoch == batch.first == 0:
                emit(MessageEvent(_fidelity(logits, store.read(0, len(logits)))))
        store.flush()
        _mark_done(mark, known_by, epoch + 1, spent + time.perf_counter() - started)
        emit(MessageEvent(f"Stored the teacher's answers to {epoch + 1} of {epochs} epochs of views."))
    return TeacherCache(store, views, epochs, spent + time.perf_counter() - started)


def _fidelity(exact: Tensor, stored: Tensor) -> str:
    """What storing changes, seen on the first batch, in probabilities at T = 1."""
    exact, stored = exact.float().cpu(), stored.float()
    changed = (exact.softmax(dim=1) - stored.softmax(dim=1)).abs()
    flipped = (exact.argmax(dim=1) != stored.argmax(dim=1)).float().mean()
    return (
        f"Stored answers differ from the teacher's by {changed.mean():.5f} in probability on average, "
        f"{changed.max():.3f} at most; {flipped:.3%} of pixels get another class."
    )


def _progress(mark: Path, path: Path, size: int, identity: str) -> tuple[int, float]:
    """How many epochs of the cache are already there, and the seconds they took. What is of no use loses its mark."""
    try:
        data = json.loads(mark.read_text(encoding="utf-8"))
        if data["identity"] == identity and path.stat().st_size == size:
            return int(data["epochs"]), float(data["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    mark.unlink(missing_ok=True)
    return 0, 0.0


def _mark_done(mark: Path, identity: str, epochs: int, seconds: float) -> None:
    text = json.dumps({"identity": identity, "epochs": epochs, "seconds": seconds})
    write_aside(mark, lambda file: file.write_text(text, encoding="utf-8"))
